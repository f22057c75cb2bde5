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
