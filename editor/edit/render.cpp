#include "editor/edit/render.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>

#include "editor/edit/direction.h"
#include "editor/edit/words_judge.h"
#include "editor/photo/contact_sheet.h"
#include "editor/photo/image_file.h"
#include "editor/photo/pixel_tensors.h"
#include "editor/transfer/auto_mask.h"
#include "editor/transfer/edit_region.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/number_text.h"
#include "pipeline/files/own_folder.h"

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

fs::path image_path(const ImageNames& names, const PictureKey& key) {
    if (names.out.is_file) return names.out.path;
    return own_file(names.out.path, names.stem + "-eta" + eta_text(key.eta, "%.2f") + "-seed" +
                                        std::to_string(key.seed) + names.extension);
}

fs::path sheet_path(const ImageNames& names) {
    return own_file(names.out.path, names.stem + "-sheet.png");
}

ImageNames names_of(const RenderJob& job) {
    return image_names(job.out, job.output, job.recipe, job.photo);
}

// Which part of the working square the edit may change.
EditRegion region_of(const RenderJob& job, const Conditions& conditions, Monitor& monitor) {
    EditRegion region{{}, job.output.mask_threshold, job.output.mask_feather};
    switch (job.output.mask) {
        case MaskSource::none:
            break;
        case MaskSource::words:
            if (conditions.words && conditions.words->region) {
                return kept_region(*conditions.words->region);
            }
            break;
        case MaskSource::automatic:
            region.mask = auto_mask(job.model, job.tuning, job.square, {}, monitor);
            break;
        case MaskSource::file:
            region.mask = load_mask(job.output.mask_file, job.photo, job.recipe.crop);
            break;
    }
    return region;
}

std::string recipe_chunk(const RenderJob& job, double eta, std::uint64_t seed) {
    EditRender render{job.recipe, eta, seed};
    if (job.output.full) {
        render.full = {true, mask_text(job.output, job.recipe.way), job.output.mask_threshold,
                       job.output.mask_feather};
    }
    render.preview = job.preview;
    return to_chunk(render);
}

// Whether eta 0 is rendered besides the etas that are asked for.
bool needs_reconstruction_too(const RenderJob& job) {
    const bool listed = std::find(job.etas.begin(), job.etas.end(), 0.0) != job.etas.end();
    return !listed && (job.output.full || !job.out.is_file);
}

using Pictures = std::map<PictureKey, Pixels>;

// What is rendered, each picture once: of each seed eta 0 first where full resolution or the
// contact sheet needs it.
std::vector<PictureKey> pictures_of(const RenderJob& job) {
    std::vector<PictureKey> keys;
    const auto want = [&](const PictureKey& key) {
        if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    };
    for (const std::uint64_t seed : job.seeds) {
        if (job.output.full || needs_reconstruction_too(job)) want({seed, 0});
        for (const double eta : job.etas) want({seed, eta});
    }
    return keys;
}

// What becomes a file, in order.
std::vector<PictureKey> images_of(const RenderJob& job) {
    std::vector<PictureKey> keys;
    for (const std::uint64_t seed : job.seeds) {
        for (const double eta : job.etas) keys.push_back({seed, eta});
    }
    return keys;
}

// In order, once.
void add_eta(std::vector<double>& etas, double eta) {
    const auto same = [&](double other) { return std::abs(other - eta) < 1e-9; };
    if (std::ranges::none_of(etas, same)) etas.insert(std::ranges::upper_bound(etas, eta), eta);
}

void write_render(const RenderJob& job, const fs::path& path, const AreaEdit& edit,
                  const EditRegion& region, const std::string& recipe) {
    if (!job.output.full) {
        return write_image(path, edit.edit, {recipe, {}, PictureSource::edited_by_model});
    }
    export_photo(path, job.photo, edit, region, {job.output.strip_gps, job.output.quality, recipe});
}

std::string sheet_subtitle(const RenderJob& job) {
    const pipeline::SampleOptions& sample = job.recipe.sample;
    std::string text =
        job.recipe.photo + " \u00b7 " + std::string(pipeline::sampler_name(sample.sampler)) + ", " +
        std::to_string(sample.steps) + " steps, guidance " + number_text(sample.guidance_scale);
    if (job.seeds.size() == 1) text += ", seed " + std::to_string(job.seeds[0]);
    return text;
}

// How the images of a job are written and measured.
struct ImageWriting {
    const RenderJob& job;
    const EditRegion& region;
    const std::optional<EditDirection>& direction;
};

RenderedImage write_image_of(const ImageWriting& how, const PictureKey& key, const Pictures& made) {
    const RenderJob& job = how.job;
    AreaEdit edit{job.recipe.crop, {}, made.at(key)};
    if (job.output.full) edit.reconstruction = made.at({key.seed, 0});
    const fs::path path = image_path(names_of(job), key);
    write_render(job, path, edit, how.region, recipe_chunk(job, key.eta, key.seed));
    RenderedImage image{path, key.eta, key.seed, std::nullopt};
    if (how.direction)
        image.directional_similarity = directional_similarity(*how.direction, made.at(key));
    return image;
}

fs::path write_sheet(const RenderJob& job, const Pictures& made) {
    const fs::path path = sheet_path(names_of(job));
    ContactSheet sheet;
    for (const std::uint64_t seed : job.seeds) {
        const std::string of_seed = job.seeds.size() > 1 ? ", seed " + std::to_string(seed) : "";
        auto& row = sheet.rows.emplace_back();
        row.push_back({"photo", job.square});
        if (needs_reconstruction_too(job))
            row.push_back({"reconstruction" + of_seed, made.at({seed, 0})});
        for (const double eta : job.etas) {
            const std::string label = eta == 0 ? "reconstruction" : "eta " + eta_text(eta, "%g");
            row.push_back({label + of_seed, made.at({seed, eta})});
        }
    }
    sheet.title = job.recipe.prompt;
    sheet.subtitle = sheet_subtitle(job);
    write_image(path, draw_contact_sheet(sheet), {.source = PictureSource::edited_by_model});
    return path;
}

}  // namespace

Conditions with_sampling(Conditions conditions, const pipeline::Model& model,
                         const optimize::Tuning& tuning, const Recipe& recipe, Monitor& monitor) {
    const pipeline::SampleOptions& sample = recipe.sample;
    conditions.uncond = at::Tensor();
    if (sample.guidance_scale > 1 || recipe.way == Way::words) {
        conditions.uncond = pipeline::encode_text(model, sample.negative_prompt);
    }
    if (sample.noise_share < 1 && recipe.mode != Mode::inpaint) {
        pipeline::GenerateInput photo;
        photo.cond = conditions.optimised.to(model.dtype);
        photo.init_latents = conditions.photo_latents;
        const pipeline::UNet* tuned = tuning.unet ? &*tuning.unet : nullptr;
        conditions.inverted = pipeline::invert_latents(model, photo, sample, monitor, tuned);
    }
    return conditions;
}

Conditions encode_conditions(const pipeline::Model& model, const optimize::Tuning& tuning,
                             const Recipe& recipe, const Pixels& square, Monitor& monitor) {
    Conditions conditions{
        tuning.target_embedding, tuning.optimised_embedding, {}, {}, {}, {}, {}, {}};
    const bool inverts = recipe.sample.noise_share < 1 && recipe.mode != Mode::inpaint;
    if (inverts || recipe.way == Way::words)
        conditions.photo_latents = pipeline::encode_image(model, to_tensor(square));
    conditions = with_sampling(std::move(conditions), model, tuning, recipe, monitor);
    if (recipe.way == Way::words) {
        conditions.words = words_pull(model, tuning, square, conditions.photo_latents, monitor);
    }
    return conditions;
}

namespace {

// Of each key the final latents, in one batch.
at::Tensor words_latents(const PictureJob& job, const std::vector<PictureKey>& keys,
                         Monitor& monitor) {
    const Conditions& conditions = job.conditions;
    pipeline::EditTask task = edit_task(job.model, job.tuning, *conditions.words, conditions.uncond,
                                        working_size(job.recipe.crop, job.recipe.size));
    task.inverted = conditions.inverted;
    std::vector<pipeline::EditPicture> pictures;
    for (const PictureKey& key : keys) {
        pictures.push_back({key.seed, key.eta * full_pull_of(job.recipe.mode)});
    }
    return pipeline::generate_edits(job.model, task, pictures, job.recipe.sample, {}, monitor);
}

at::Tensor line_latents(const PictureJob& job, const std::vector<PictureKey>& keys,
                        Monitor& monitor) {
    const pipeline::Model& model = job.model;
    pipeline::GenerateInput input;
    std::vector<at::Tensor> noise, cond;
    const Size size = working_size(job.recipe.crop, job.recipe.size);
    for (const PictureKey& key : keys) {
        const at::Generator generator = pipeline::make_generator(key.seed);
        noise.push_back(pipeline::initial_noise(model, size.width, size.height, generator));
        cond.push_back(
            optimize::interpolate(job.conditions.target, job.conditions.optimised, key.eta));
        input.generators.push_back(generator);
    }
    input.noise = at::cat(noise);
    input.cond = at::cat(cond).to(model.dtype);
    input.uncond = job.conditions.uncond;
    input.inverted = job.conditions.inverted;
    const pipeline::UNet* tuned = job.tuning.unet ? &*job.tuning.unet : nullptr;
    return pipeline::generate_latents(model, input, job.recipe.sample, monitor, tuned);
}

// Of keys of one strength.
at::Tensor inpainted_latents(const PictureJob& job, const std::vector<PictureKey>& keys,
                             Monitor& monitor) {
    const pipeline::Model& model = job.model;
    const Conditions& conditions = job.conditions;
    const Size size = working_size(job.recipe.crop, job.recipe.size);
    pipeline::GenerateInput input;
    input.strength = std::min(keys.front().eta, 1.0);
    for (const PictureKey& key : keys)
        input.generators.push_back(pipeline::make_generator(key.seed));
    // In diffusers' order: the picture, the noise, what stays of the picture.
    input.init_latents = pipeline::draw_latents(
        model, *conditions.photo, draws_of_picture(model, input.strength, input.generators));
    std::vector<at::Tensor> noise;
    for (const at::Generator& generator : input.generators)
        noise.push_back(pipeline::initial_noise(model, size.width, size.height, generator));
    input.noise = at::cat(noise);
    input.inpainting = inpainting_of(model, *conditions.drawn, input.generators);
    input.cond = conditions.target.to(model.dtype);
    input.uncond = conditions.uncond;
    pipeline::SampleOptions sample = job.recipe.sample;
    sample.noise_share = 1;
    return pipeline::generate_latents(model, input, sample, monitor);
}

// Strengths take different numbers of steps, and so batches of their own.
at::Tensor inpainted_by_strength(const PictureJob& job, const std::vector<PictureKey>& keys,
                                 Monitor& monitor) {
    std::map<double, std::vector<std::size_t>> by_strength;
    for (std::size_t i = 0; i < keys.size(); ++i) by_strength[keys[i].eta].push_back(i);
    std::vector<at::Tensor> latents(keys.size());
    std::size_t first = 0;
    for (const auto& [eta, indices] : by_strength) {
        std::vector<PictureKey> together;
        for (const std::size_t i : indices) together.push_back(keys[i]);
        Monitor part = part_of(monitor, {first, indices.size(), keys.size()});
        first += indices.size();
        // The photo itself, as the model has it.
        const at::Tensor made =
            eta == 0 ? pipeline::draw_latents(job.model, *job.conditions.photo)
                           .expand({static_cast<std::int64_t>(indices.size()), -1, -1, -1})
                     : inpainted_latents(job, together, part);
        for (std::size_t i = 0; i < indices.size(); ++i)
            latents[indices[i]] = made.narrow(0, static_cast<std::int64_t>(i), 1);
    }
    return at::cat(latents);
}

}  // namespace

Error no_mask_to_draw() {
    return {"mode inpaint", "needs a mask of what is to be drawn anew: --mask FILE or --mask auto"};
}

void take_mask(Conditions& conditions, const pipeline::Model& model, const Pixels& square,
               const EditRegion& region) {
    if (!region.mask) throw no_mask_to_draw();
    const at::Tensor image = to_tensor(square);
    conditions.photo = pipeline::picture_latents(model, image);
    conditions.drawn = drawn_anew(
        model, image, mask_over(*region.mask, {square.width, square.height}, region.threshold));
}

std::vector<Pixels> render_pictures(const PictureJob& job, const std::vector<PictureKey>& keys,
                                    Monitor& monitor) {
    const at::Tensor latents = job.conditions.words   ? words_latents(job, keys, monitor)
                               : job.conditions.drawn ? inpainted_by_strength(job, keys, monitor)
                                                      : line_latents(job, keys, monitor);
    std::vector<Pixels> pictures;
    for (const at::Tensor& image : pipeline::decode_latents(job.model, latents).split(1))
        pictures.push_back(to_pixels(image));
    return pictures;
}

std::size_t pictures_at_once(const pipeline::Model& model, const Recipe& recipe) {
    const Size size = working_size(recipe.crop, recipe.size);
    if (recipe.way == Way::words) {
        return pipeline::edits_at_once(model, recipe.sample, size.width, size.height);
    }
    return pipeline::pictures_at_once(model, recipe.sample, size.width, size.height);
}

std::string mask_text(const OutputRequest& output, Way way) {
    switch (output.mask) {
        case MaskSource::none:
            return "none";
        case MaskSource::words:
            return way == Way::words ? "words" : "none";
        case MaskSource::automatic:
            return "auto";
        case MaskSource::file:
            return checked_utf8(output.mask_file.filename().string());
    }
    return {};
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

ImageNames image_names(const Destination& out, const OutputRequest& output, const Recipe& recipe,
                       const Photo& photo) {
    const std::string own = output.extension.value_or(export_extension(photo));
    return {out, fs::path(recipe.photo).stem().string(), output.full ? own : ".png"};
}

void check_names(const ImageNames& names, const std::vector<double>& etas,
                 const std::vector<std::uint64_t>& seeds) {
    for (const std::uint64_t seed : seeds) {
        for (const double eta : etas) check_can_write(image_path(names, {seed, eta}));
    }
    if (!names.out.is_file) check_can_write(sheet_path(names));
}

std::vector<ImageBatch> image_batches(std::size_t n, std::size_t most) {
    std::vector<ImageBatch> batches;
    const std::size_t count = (n + most - 1) / most;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t first = n * i / count, end = n * (i + 1) / count;
        batches.push_back({first, end - first, n});
    }
    return batches;
}

Monitor part_of(Monitor& whole, const ImageBatch& batch) {
    std::string note = "render image";
    note += batch.count > 1 ? "s " : " ";
    note += std::to_string(batch.first + 1);
    if (batch.count > 1) note += "-" + std::to_string(batch.first + batch.count);
    note += " of " + std::to_string(batch.n);
    const auto report = [&whole, batch, note](const Progress& part) {
        const auto done = static_cast<std::int64_t>(batch.first) * part.total +
                          static_cast<std::int64_t>(batch.count) * part.done;
        whole.step(done, static_cast<std::int64_t>(batch.n) * part.total, note);
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

void warn_of_words(const pipeline::Model& model, const std::vector<WordReference>& used,
                   const EditControls& controls) {
    if (!controls.warn) return;
    for (const pipeline::LearnedWord& word : model.words)
        if (std::ranges::find(used, word.name, &WordReference::name) == used.end())
            controls.warn(word.file + ": '" + word.name + "' stands in no text");
}

void warn_if_left_alone(const pipeline::Model& model, const EditControls& controls) {
    if (!controls.warn) return;
    if (!model.left_alone.empty())
        controls.warn(model.path.string() + ": left alone: " + model.left_alone);
    for (const pipeline::AdapterReport& adapter : model.adapters)
        if (adapter.unused > 0) controls.warn(adapter.file.string() + ": " + adapter.complaint());
}

RenderedFiles render_images(RenderJob job, Monitor& monitor) {
    Conditions conditions =
        encode_conditions(job.model, job.tuning, job.recipe, job.square, monitor);
    const bool inpaints = job.recipe.mode == Mode::inpaint;
    const EditRegion region =
        job.output.full || inpaints ? region_of(job, conditions, monitor) : EditRegion{};
    if (inpaints) take_mask(conditions, job.model, job.square, region);
    const std::optional<EditDirection> direction =
        edit_direction(job.model.path, job.square, job.recipe.prompt);
    RenderedFiles files;
    if (direction) files.direction = {direction->clip->name, direction->source};
    if (job.judged && conditions.words) {
        const Judgement judgement = judge_words(
            job.model, job.tuning, *conditions.words, {job.square, conditions.photo_latents},
            direction ? &*direction : nullptr, monitor, judge_options(job.recipe));
        files.chosen = judgement.strength;
        files.words_taken = judgement.taken;
        add_eta(job.etas, judgement.strength);
    }
    const PictureJob pictures{job.model, job.tuning, job.recipe, conditions};
    const std::vector<PictureKey> keys = pictures_of(job), images = images_of(job);
    const std::size_t most = pictures_at_once(job.model, job.recipe);

    Pictures made;
    for (const ImageBatch& batch : image_batches(keys.size(), most)) {
        const auto begin = keys.begin() + static_cast<std::ptrdiff_t>(batch.first);
        const std::vector<PictureKey> together(begin,
                                               begin + static_cast<std::ptrdiff_t>(batch.count));
        Monitor part = part_of(monitor, batch);
        std::vector<Pixels> rendered = render_pictures(pictures, together, part);
        for (std::size_t i = 0; i < batch.count; ++i) made[together[i]] = std::move(rendered[i]);
        // An image's eta 0 comes before it.
        for (std::size_t i = files.images.size(); i < images.size() && made.count(images[i]); ++i)
            files.images.push_back(write_image_of({job, region, direction}, images[i], made));
    }
    if (!job.out.is_file) files.sheet = write_sheet(job, made);
    return files;
}

}  // namespace keepsake::editor
