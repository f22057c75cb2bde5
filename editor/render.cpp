#include "editor/render.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

#include "editor/auto_mask.h"
#include "editor/contact_sheet.h"
#include "editor/export_photo.h"
#include "editor/image_file.h"
#include "editor/pixel_tensors.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// Two decimals where they say it all, so that names sort; else what it takes.
std::string eta_text(double eta, const char* brief) {
    char text[32];
    const bool fits = std::abs(std::round(eta * 100) - eta * 100) < 1e-9;
    std::snprintf(text, sizeof text, fits ? brief : "%.6g", eta == 0 ? 0.0 : eta);
    return text;
}

std::string extension_of(const RenderJob& job) {
    if (!job.output.full) return ".png";
    return job.output.extension.value_or(export_extension(job.photo));
}

fs::path image_path(const RenderJob& job, double eta, std::uint64_t seed) {
    if (job.out.is_file) return job.out.path;
    const std::string stem = fs::path(job.recipe.photo).stem().string();
    return job.out.path / (stem + "-eta" + eta_text(eta, "%.2f") + "-seed" + std::to_string(seed) +
                           extension_of(job));
}

// Which part of the working square the edit may change.
EditRegion region_of(const RenderJob& job) {
    EditRegion region{{}, job.output.mask_threshold, job.output.mask_feather};
    Monitor silent;
    switch (job.output.mask) {
        case MaskSource::none:
            break;
        case MaskSource::automatic:
            region.mask = auto_mask(job.model, job.tuning, job.square, {}, silent);
            break;
        case MaskSource::file:
            region.mask = load_mask(job.output.mask_file, job.photo, job.recipe.crop);
            break;
    }
    return region;
}

std::string mask_text(const OutputRequest& output) {
    switch (output.mask) {
        case MaskSource::none:
            return "none";
        case MaskSource::automatic:
            return "auto";
        case MaskSource::file:
            return checked_utf8(output.mask_file.filename().string());
    }
    return {};
}

std::string recipe_chunk(const RenderJob& job, double eta, std::uint64_t seed) {
    EditRender render{job.recipe, eta, seed};
    if (job.output.full) {
        render.full = {true, mask_text(job.output), job.output.mask_threshold,
                       job.output.mask_feather};
    }
    return to_chunk(render);
}

// The pictures of one seed; eta 0, which full resolution and the contact sheet need, only once.
class SeedRenders {
  public:
    SeedRenders(const RenderJob& job, const Conditions& conditions, std::uint64_t seed)
        : job_(job), conditions_(conditions), seed_(seed) {}

    const Pixels& at(double eta, Monitor& monitor) {
        const auto made = renders_.find(eta);
        if (made != renders_.end()) return made->second;
        const PictureJob picture{job_.model, job_.tuning, job_.recipe, conditions_};
        return renders_.emplace(eta, render_picture(picture, eta, seed_, monitor)).first->second;
    }

  private:
    const RenderJob& job_;
    const Conditions& conditions_;
    std::uint64_t seed_;
    std::map<double, Pixels> renders_;
};

void write_render(const RenderJob& job, const fs::path& path, const SquareEdit& edit,
                  const EditRegion& region, const std::string& recipe) {
    if (!job.output.full) return write_image(path, edit.edit, recipe);
    export_photo(path, job.photo, edit, region, {job.output.strip_gps, job.output.quality, recipe});
}

std::string sheet_subtitle(const RenderJob& job) {
    const pipeline::SampleOptions& sample = job.recipe.sample;
    char guidance[32];
    std::snprintf(guidance, sizeof guidance, "%g", sample.guidance_scale);
    std::string text = job.recipe.photo + " \u00b7 " +
                       std::string(pipeline::sampler_name(sample.sampler)) + ", " +
                       std::to_string(sample.steps) + " steps, guidance " + guidance;
    if (job.seeds.size() == 1) text += ", seed " + std::to_string(job.seeds[0]);
    return text;
}

fs::path write_sheet(const RenderJob& job, ContactSheet sheet) {
    const fs::path path =
        job.out.path / (fs::path(job.recipe.photo).stem().string() + "-sheet.png");
    sheet.title = job.recipe.prompt;
    sheet.subtitle = sheet_subtitle(job);
    write_image(path, draw_contact_sheet(sheet));
    return path;
}

}  // namespace

Conditions encode_conditions(const pipeline::Model& model, const optimize::Tuning& tuning,
                             const pipeline::SampleOptions& sample, const Pixels& square,
                             Monitor& monitor) {
    Conditions conditions{tuning.target_embedding, tuning.optimised_embedding, {}, {}};
    if (sample.guidance_scale > 1) {
        conditions.uncond = pipeline::encode_text(model, sample.negative_prompt);
    }
    if (sample.noise_share < 1) {
        pipeline::GenerateInput photo;
        photo.cond = conditions.optimised.to(model.dtype);
        photo.init_latents = pipeline::encode_image(model, to_tensor(square));
        const pipeline::UNet* tuned = tuning.unet ? &*tuning.unet : nullptr;
        conditions.inverted = pipeline::invert_latents(model, photo, sample, monitor, tuned);
    }
    return conditions;
}

Pixels render_picture(const PictureJob& job, double eta, std::uint64_t seed, Monitor& monitor) {
    const pipeline::Model& model = job.model;
    at::Generator generator = pipeline::make_generator(seed);
    pipeline::GenerateInput input;
    input.noise = pipeline::initial_noise(model, job.recipe.size, job.recipe.size, generator);
    input.cond =
        optimize::interpolate(job.conditions.target, job.conditions.optimised, eta).to(model.dtype);
    input.uncond = job.conditions.uncond;
    input.generator = generator;
    input.inverted = job.conditions.inverted;
    const pipeline::UNet* tuned = job.tuning.unet ? &*job.tuning.unet : nullptr;
    const at::Tensor latents =
        pipeline::generate_latents(model, input, job.recipe.sample, monitor, tuned);
    return to_pixels(pipeline::decode_latents(model, latents));
}

void prepare_destination(const Destination& out) {
    const fs::path folder = out.is_file ? out.path.parent_path() : out.path;
    if (folder.empty()) return;
    std::error_code code;
    if (!out.is_file) fs::create_directories(folder, code);
    if (code) throw Error(folder.string(), "the folder cannot be made: " + code.message());
    if (!fs::is_directory(folder, code)) throw Error(folder.string(), "is not a folder");
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
        throw Error(folder.string(), "cannot be written: " + std::string(strerror(errno)));
    }
}

Monitor part_of(Monitor& whole, std::size_t i, std::size_t n) {
    const auto report = [&whole, i, n](const Progress& part) {
        const std::string note =
            "render image " + std::to_string(i + 1) + " of " + std::to_string(n);
        const auto done = static_cast<std::int64_t>(i) * part.total + part.done;
        whole.step(done, static_cast<std::int64_t>(n) * part.total, note);
    };
    return Monitor(report);
}

void warn_if_cut(const pipeline::Model& model, const std::string& what, const std::string& text,
                 const EditControls& controls) {
    const pipeline::Tokenized tokens = model.tokenizer(text);
    if (tokens.cut_tokens == 0 || !controls.warn) return;
    controls.warn(what + ": is " + std::to_string(tokens.cut_tokens) +
                  " tokens too long for the model, which will not see: \"" + tokens.cut_text +
                  "\"");
}

RenderedFiles render_images(const RenderJob& job, Monitor& monitor) {
    const Conditions conditions =
        encode_conditions(job.model, job.tuning, job.recipe.sample, job.square, monitor);
    const EditRegion region = job.output.full ? region_of(job) : EditRegion{};
    // What is rendered, in order: eta 0 first where something besides the list of etas needs it.
    const bool listed = std::find(job.etas.begin(), job.etas.end(), 0.0) != job.etas.end();
    const bool extra = !listed && (job.output.full || !job.out.is_file);
    const std::size_t renders = job.etas.size() + (extra ? 1 : 0);

    RenderedFiles files;
    ContactSheet sheet;
    for (const std::uint64_t seed : job.seeds) {
        const std::string of_seed = job.seeds.size() > 1 ? ", seed " + std::to_string(seed) : "";
        const std::size_t before = sheet.rows.size() * renders;
        auto& row = sheet.rows.emplace_back();
        row.push_back({"photo", job.square});
        SeedRenders pictures(job, conditions, seed);
        std::size_t done = 0;
        const auto picture = [&](double eta) {
            Monitor part =
                part_of(monitor, std::min(before + done++, job.seeds.size() * renders - 1),
                        job.seeds.size() * renders);
            return pictures.at(eta, part);
        };
        Pixels reconstruction;
        if (extra || job.output.full) reconstruction = picture(0);
        if (extra) row.push_back({"reconstruction" + of_seed, reconstruction});
        for (const double eta : job.etas) {
            const SquareEdit edit{job.recipe.crop, reconstruction, picture(eta)};
            const fs::path path = image_path(job, eta, seed);
            write_render(job, path, edit, region, recipe_chunk(job, eta, seed));
            files.images.push_back({path, eta, seed});
            const std::string label = eta == 0 ? "reconstruction" : "eta " + eta_text(eta, "%g");
            row.push_back({label + of_seed, edit.edit});
        }
    }
    if (!job.out.is_file) files.sheet = write_sheet(job, std::move(sheet));
    return files;
}

}  // namespace keepsake::editor
