#include "editor/render.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "editor/contact_sheet.h"
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

fs::path image_path(const RenderJob& job, double eta, std::uint64_t seed) {
    if (job.out.is_file) return job.out.path;
    const std::string stem = fs::path(job.recipe.photo).stem().string();
    return job.out.path /
           (stem + "-eta" + eta_text(eta, "%.2f") + "-seed" + std::to_string(seed) + ".png");
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
                             const pipeline::SampleOptions& sample) {
    Conditions conditions{tuning.target_embedding, tuning.optimised_embedding, {}};
    if (sample.guidance_scale > 1) {
        conditions.uncond = pipeline::encode_text(model, sample.negative_prompt);
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
    const Conditions conditions = encode_conditions(job.model, job.tuning, job.recipe.sample);
    const PictureJob picture{job.model, job.tuning, job.recipe, conditions};
    std::vector<double> etas = job.etas;
    const bool extra = !job.out.is_file && std::find(etas.begin(), etas.end(), 0.0) == etas.end();
    if (extra) etas.insert(etas.begin(), 0.0);

    RenderedFiles files;
    ContactSheet sheet;
    const std::size_t total = job.seeds.size() * etas.size();
    for (const std::uint64_t seed : job.seeds) {
        const std::string of_seed = job.seeds.size() > 1 ? ", seed " + std::to_string(seed) : "";
        auto& row = sheet.rows.emplace_back();
        row.push_back({"photo", job.photo});
        for (std::size_t i = 0; i < etas.size(); ++i) {
            Monitor part = part_of(monitor, (sheet.rows.size() - 1) * etas.size() + i, total);
            Pixels pixels = render_picture(picture, etas[i], seed, part);
            if (!extra || i > 0) {
                const fs::path path = image_path(job, etas[i], seed);
                write_image(path, pixels, to_chunk(EditRender{job.recipe, etas[i], seed}));
                files.images.push_back({path, etas[i], seed});
            }
            const std::string label =
                etas[i] == 0 ? "reconstruction" : "eta " + eta_text(etas[i], "%g");
            row.push_back({label + of_seed, std::move(pixels)});
        }
    }
    if (!job.out.is_file) files.sheet = write_sheet(job, std::move(sheet));
    return files;
}

}  // namespace keepsake::editor
