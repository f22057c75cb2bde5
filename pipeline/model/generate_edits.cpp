#include "pipeline/model/generate_edits.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

namespace keepsake::pipeline {
namespace {

// The batch: the photo once for each seed, then the pictures that are not the photo.
struct Rows {
    std::vector<std::uint64_t> seeds;    // of the photos
    std::vector<std::int64_t> photo_of;  // of each edited picture, its photo's row
    std::vector<double> pulls;           // likewise
    std::vector<std::int64_t> row_of;    // of each picture asked for

    std::int64_t photos() const { return static_cast<std::int64_t>(seeds.size()); }
    std::int64_t edits() const { return static_cast<std::int64_t>(pulls.size()); }
    std::int64_t all() const { return photos() + edits(); }
};

Rows rows_of(const std::vector<EditPicture>& pictures) {
    Rows rows;
    for (const EditPicture& picture : pictures) {
        if (std::ranges::find(rows.seeds, picture.seed) == rows.seeds.end()) {
            rows.seeds.push_back(picture.seed);
        }
    }
    for (const EditPicture& picture : pictures) {
        const std::int64_t photo = std::ranges::find(rows.seeds, picture.seed) - rows.seeds.begin();
        if (picture.pull == 0) {
            rows.row_of.push_back(photo);
            continue;
        }
        rows.row_of.push_back(rows.all());
        rows.photo_of.push_back(photo);
        rows.pulls.push_back(picture.pull);
    }
    return rows;
}

Tensor index(const std::vector<std::int64_t>& rows, const at::Device& device) {
    return at::tensor(rows, at::TensorOptions(at::kLong)).to(device);
}

// Which row each row of a pass attends as: `times` groups of photos and pictures one after the
// other, each with its own photos.
Tensor layout_of(const Rows& rows, std::int64_t times, const at::Device& device) {
    std::vector<std::int64_t> layout;
    for (std::int64_t i = 0; i < times; ++i) {
        for (std::int64_t k = 0; k < rows.photos(); ++k) layout.push_back(i * rows.all() + k);
        for (const std::int64_t photo : rows.photo_of) layout.push_back(i * rows.all() + photo);
    }
    return index(layout, device);
}

// Of the words' pass: the photos and the pictures with e_null, then the pictures with the text.
Tensor words_layout(const Rows& rows, const at::Device& device) {
    std::vector<std::int64_t> layout;
    for (std::int64_t k = 0; k < rows.photos(); ++k) layout.push_back(k);
    for (int i = 0; i < 2; ++i) {
        layout.insert(layout.end(), rows.photo_of.begin(), rows.photo_of.end());
    }
    return index(layout, device);
}

// The timestep down to which a share of the steps goes; above all of them where it is none.
double last_timestep(const Timetable& timetable, double share) {
    const auto n = static_cast<double>(timetable.timesteps.size());
    const auto count = static_cast<std::size_t>(std::lround(share * n));
    return count == 0 ? timetable.timesteps.front() + 1 : timetable.timesteps[count - 1];
}

Tensor rows_of_text(const Tensor& text, std::int64_t n) {
    return text.expand({n, -1, -1});
}

void check(const EditTask& task, const PullOptions& pull) {
    const auto share = [](const char* name, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw Error(name, std::to_string(value) + " is not between 0 and 1");
        }
    };
    share("steps_share", pull.steps_share);
    share("photo_share", pull.photo_share);
    share("layout_share", pull.layout_share);
    const auto single = [](const char* name, const Tensor& text) {
        if (!text.defined() || text.dim() != 3 || text.size(0) != 1) {
            throw Error(name, "an embedding of a single text is expected, (1, T, D)");
        }
    };
    single("text", task.target);
    single("optimised embedding", task.optimised);
    single("negative prompt", task.uncond);
}

// The formula of the header, for a batch laid out as `rows`.
Denoiser edit_denoiser(const Model& model, const EditTask& task, const Rows& rows,
                       const SampleOptions& options, const PullOptions& pull,
                       const Timetable& timetable) {
    const bool guided = passes_of(task.photo, options.guidance_scale) > 1;
    const auto told = [](const UNet& unet, double w) {
        return unet.takes_guidance() ? unet.guided_by(w) : unet;
    };
    const UNet photo_unet = told(task.photo, options.guidance_scale - 1);
    const UNet words_unet = told(model.unet, 0);
    const std::int64_t photos = rows.photos(), edits = rows.edits(), all = rows.all();
    const Tensor opt = task.optimised.to(model.dtype), target = task.target.to(model.dtype),
                 none = task.uncond.to(model.dtype);
    const Tensor photo_text = guided ? at::cat({rows_of_text(none, all), rows_of_text(opt, all)})
                                     : rows_of_text(opt, all).contiguous();
    const Tensor words_text =
        edits > 0 ? at::cat({rows_of_text(none, all), rows_of_text(target, edits)}) : Tensor();
    const Tensor photo_layout = layout_of(rows, guided ? 2 : 1, model.device);
    const Tensor edit_layout = words_layout(rows, model.device);
    const Tensor photo_of = index(rows.photo_of, model.device);
    const Tensor weight = at::tensor(rows.pulls, at::TensorOptions(at::kDouble))
                              .to(model.device, at::kFloat)
                              .view({edits, 1, 1, 1});
    const Tensor mask =
        task.mask.defined() ? task.mask.to(model.device, at::kFloat) : at::ones({1, 1, 1, 1});
    const double pulls_until = last_timestep(timetable, pull.steps_share);
    const double laid_until = last_timestep(timetable, pull.layout_share);
    return [=, &model](const Tensor& x, double t) {
        const at::NoGradGuard no_grad;
        const Tensor timestep = at::full({1}, t, x.options().dtype(at::kFloat));
        const bool laid = t >= laid_until;
        const Tensor input = x.to(model.dtype);
        Tensor v = photo_unet
                       .with_layout(guided ? at::cat({input, input}) : input, timestep, photo_text,
                                    laid ? photo_layout : Tensor())
                       .to(at::kFloat);
        Tensor with_opt = v;
        if (guided) {
            const auto halves = v.chunk(2);
            with_opt = halves[1];
            v = halves[0] + options.guidance_scale * (halves[1] - halves[0]);
        }
        if (edits == 0) return v;
        const Tensor photo = v.narrow(0, 0, photos);
        Tensor edited = v.narrow(0, photos, edits);
        if (t >= pulls_until) {
            const Tensor words =
                words_unet
                    .with_layout(at::cat({input, input.narrow(0, photos, edits)}), timestep,
                                 words_text, laid ? edit_layout : Tensor())
                    .to(at::kFloat);
            const Tensor from = words.narrow(0, photos, edits) * (1 - pull.photo_share) +
                                with_opt.narrow(0, photos, edits) * pull.photo_share;
            edited = edited + weight * (words.narrow(0, all, edits) - from);
        }
        const Tensor own = photo.index_select(0, photo_of);
        return at::cat({photo, own + mask * (edited - own)});
    };
}

}  // namespace

Tensor generate_edits(const Model& model, const EditTask& task,
                      const std::vector<EditPicture>& pictures, const SampleOptions& options,
                      const PullOptions& pull, Monitor& monitor) {
    check(task, pull);
    const Rows rows = rows_of(pictures);
    const Schedule schedule = schedule_for(model, options);
    const Timetable timetable = make_timetable(options.sampler, schedule, options.steps);
    SamplerControls controls;
    controls.ddim_eta = options.ddim_eta;
    controls.tcd_eta = options.tcd_eta;
    controls.monitor = &monitor;
    std::vector<Tensor> starts;
    const auto start = [&](std::uint64_t seed) {
        const at::Generator generator = make_generator(seed);
        starts.push_back(initial_noise(model, task.width, task.height, generator));
        controls.generators.push_back(generator);
    };
    for (const std::uint64_t seed : rows.seeds) start(seed);
    for (const std::int64_t photo : rows.photo_of) {
        start(rows.seeds[static_cast<std::size_t>(photo)]);
    }
    Tensor latents = at::cat(starts).to(model.device) * timetable.init_noise_sigma;
    if (options.noise_share < 1) {
        if (!task.inverted) throw Error("noise_share", "below 1 needs inverted latents");
        const double share = options.noise_share;
        latents = to_sampler_scale(timetable, *task.inverted) * std::sqrt(1 - share * share) +
                  latents * share;
    }
    const Denoiser denoise = edit_denoiser(model, task, rows, options, pull, timetable);
    return sample(denoise, schedule, timetable, latents, controls)
        .index_select(0, index(rows.row_of, model.device));
}

std::size_t edits_at_once(const Model& model, const SampleOptions& options, std::int64_t width,
                          std::int64_t height) {
    // Of the two networks' passes one after the other, the larger has two rows a picture.
    SampleOptions passes = options;
    passes.guidance_scale = 2;
    return std::max<std::size_t>(pictures_at_once(model, passes, width, height), 2) - 1;
}

}  // namespace keepsake::pipeline
