#include "editor/edit/batch_records.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>

#include "editor/edit/model_changes.h"
#include "editor/photo/contact_sheet.h"
#include "editor/photo/image_file.h"
#include "editor/photo/thumbnail.h"
#include "editor/session/own_json.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr OwnKind record_kind{"keepsake batch photo", 1};
constexpr OwnKind batch_kind{"keepsake batch", 1};

fs::path record_path(const fs::path& out, const BatchPhoto& photo) {
    return own_file(out, fs::path("batch") / (photo.key + ".json"));
}

template <class Value>
json or_null(const std::optional<Value>& value) {
    return value ? json(*value) : json();
}

std::optional<double> number_or_none(const json& fields, const char* name) {
    const auto at = fields.find(name);
    if (at == fields.end() || at->is_null()) return std::nullopt;
    return at->get<double>();
}

json to_json(const PhotoRecord& record) {
    const EditResult& result = record.result;
    json pictures = json::array();
    for (const RenderedImage& image : result.images)
        pictures.push_back({{"file", checked_utf8(image.file.string())},
                            {"eta", or_null(image.eta)},
                            {"seed", image.seed},
                            {"directional_similarity", or_null(image.directional_similarity)}});
    const LossSummary& losses = result.losses;
    const StageSeconds& seconds = result.seconds;
    return {{"settings", record.settings},
            {"error", record.error},
            {"mask", result.mask},
            {"pictures", pictures},
            {"chosen", or_null(result.chosen)},
            {"words_taken", result.words_taken},
            {"clip", {{"model", result.direction.clip}, {"source", result.direction.source}}},
            {"losses",
             {{"embedding_before", or_null(losses.embedding_before)},
              {"embedding_after", or_null(losses.embedding_after)},
              {"finetune_before", or_null(losses.finetune_before)},
              {"finetune_after", or_null(losses.finetune_after)}}},
            {"seconds",
             {{"embedding", seconds.embedding},
              {"finetune", seconds.finetune},
              {"render", seconds.render}}}};
}

PhotoRecord record_of(const json& fields) {
    PhotoRecord record;
    record.settings = fields.at("settings").get<std::string>();
    record.error = fields.at("error").get<std::string>();
    EditResult& result = record.result;
    result.mask = fields.at("mask").get<std::string>();
    for (const json& picture : fields.at("pictures"))
        result.images.push_back({picture.at("file").get<std::string>(),
                                 number_or_none(picture, "eta"),
                                 picture.at("seed").get<std::uint64_t>(),
                                 number_or_none(picture, "directional_similarity")});
    result.chosen = number_or_none(fields, "chosen");
    result.words_taken = fields.at("words_taken").get<bool>();
    if (const auto clip = fields.find("clip"); clip != fields.end())
        result.direction = {clip->at("model").get<std::string>(),
                            clip->at("source").get<std::string>()};
    const json& losses = fields.at("losses");
    result.losses = {
        number_or_none(losses, "embedding_before"), number_or_none(losses, "embedding_after"),
        number_or_none(losses, "finetune_before"), number_or_none(losses, "finetune_after")};
    const json& seconds = fields.at("seconds");
    result.seconds.embedding = seconds.at("embedding").get<double>();
    result.seconds.finetune = seconds.at("finetune").get<double>();
    result.seconds.render = seconds.at("render").get<double>();
    return record;
}

json stage_json(const StageOverrides& stage) {
    return {{"steps", or_null(stage.steps)},
            {"learning_rate", or_null(stage.learning_rate)},
            {"batch_size", or_null(stage.batch_size)},
            {"rank", or_null(stage.rank)}};
}

json model_json(const Compute& compute, const fs::path& model) {
    json adapters = json::array(), words = json::array();
    for (const pipeline::AdapterFile& adapter : compute.adapters)
        adapters.push_back(
            {checked_utf8(pipeline::adapter_text(adapter)), part_fingerprint(adapter.path)});
    for (const WordSource& word : compute.words)
        words.push_back(
            {checked_utf8(word.path.string()), or_null(word.name), part_fingerprint(word.path)});
    return {{"weights", pipeline::model_fingerprint(model)},
            {"prediction",
             compute.prediction ? json(pipeline::prediction_name(*compute.prediction)) : json()},
            {"loras", adapters},
            {"vae", checked_utf8(compute.vae.string())},
            {"vae_weights", compute.vae.empty() ? json() : json(part_fingerprint(compute.vae))},
            {"words", words},
            {"clip_skip", compute.clip_skip}};
}

// What cannot be changed without tuning anew.
json tuning_json(const EditRequest& edit, const fs::path& model) {
    json crop;
    if (edit.crop) crop = {edit.crop->x, edit.crop->y, edit.crop->width, edit.crop->height};
    return {{"text", edit.prompt},
            {"mode", edit.mode ? json(mode_name(*edit.mode)) : json()},
            {"crop", crop},
            {"size", or_null(edit.size)},
            {"tuning_seed", or_null(edit.tuning_seed)},
            {"embedding", stage_json(edit.embedding)},
            {"finetune", stage_json(edit.finetune)},
            {"model", model_json(edit.render.compute, model)}};
}

json sampling_json(const RenderRequest& render) {
    json eta;
    if (render.eta) eta = {render.eta->first, render.eta->last, render.eta->count};
    const SampleOverrides& sample = render.sample;
    const OutputRequest& output = render.output;
    return {
        {"eta", eta},
        {"way", render.way ? json(way_name(*render.way)) : json()},
        {"seeds", render.seeds},
        {"sampler", sample.sampler ? json(pipeline::sampler_name(*sample.sampler)) : json()},
        {"steps", or_null(sample.steps)},
        {"guidance_scale", or_null(sample.guidance_scale)},
        {"negative_prompt", or_null(sample.negative_prompt)},
        {"ddim_eta", or_null(sample.ddim_eta)},
        {"tcd_eta", or_null(sample.tcd_eta)},
        {"noise_share", or_null(sample.noise_share)},
        {"spacing", sample.spacing ? json(pipeline::spacing_name(*sample.spacing)) : json()},
        {"schedule", sample.schedule ? json(pipeline::schedule_name(*sample.schedule)) : json()},
        {"full", output.full},
        {"mask", static_cast<int>(output.mask)},
        {"mask_threshold", output.mask_threshold},
        {"mask_feather", output.mask_feather},
        {"strip_gps", output.strip_gps},
        {"quality", or_null(output.quality)},
        {"extension", or_null(output.extension)}};
}

// "text (it has "a red rose")", ..., of what differs between two flat or nested objects.
std::string differences(const json& asked, const json& has) {
    std::string text;
    for (const auto& [key, value] : asked.items()) {
        if (has.contains(key) && has[key] == value) continue;
        text += (text.empty() ? "" : ", ") + key + " " + brief(value) + " (it has " +
                (has.contains(key) ? brief(has[key]) : "none") + ")";
    }
    return text;
}

// RFC 4180: quoted where it has to be.
std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
}

std::string csv_number(const std::optional<double>& value) {
    if (!value) return {};
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, *value).ptr;
    return {text, end};
}

std::string csv_line(const std::vector<std::string>& fields) {
    std::string line;
    for (const std::string& field : fields) {
        if (&field != &fields.front()) line += ',';
        line += csv_field(field);
    }
    return line + "\r\n";
}

bool is_chosen(const EditResult& result, const RenderedImage& image) {
    return result.chosen && image.eta && std::abs(*image.eta - *result.chosen) < 1e-9;
}

std::string lines_of(const BatchPhoto& photo, const std::optional<PhotoRecord>& record) {
    const std::string name = checked_utf8(photo.file.filename().string());
    if (!record || !record->done()) {
        const std::string error = record ? record->error : "";
        return csv_line({name, record ? "failed" : "waiting", "", "", "", "", "", "", "", "", "",
                         "", "", "", "", error});
    }
    const EditResult& result = record->result;
    const LossSummary& losses = result.losses;
    std::string lines;
    for (const RenderedImage& image : result.images) {
        const bool chosen = is_chosen(result, image);
        const std::string taken = result.chosen ? (result.words_taken ? "yes" : "no") : "";
        lines += csv_line(
            {name, "done", image.file.string(), csv_number(image.eta), std::to_string(image.seed),
             chosen ? "yes" : "", taken, record->result.mask, csv_number(losses.embedding_before),
             csv_number(losses.embedding_after), csv_number(losses.finetune_before),
             csv_number(losses.finetune_after), csv_number(result.seconds.embedding),
             csv_number(result.seconds.finetune), csv_number(result.seconds.render), ""});
    }
    return lines;
}

std::string table_text(const fs::path& out, const std::vector<BatchPhoto>& photos) {
    std::string text =
        csv_line({"photo", "status", "picture", "eta", "seed", "chosen", "words_arrive", "mask",
                  "embedding_loss_before", "embedding_loss_after", "finetune_loss_before",
                  "finetune_loss_after", "embedding_seconds", "finetune_seconds", "render_seconds",
                  "error"});
    for (const BatchPhoto& photo : photos) text += lines_of(photo, load_record(out, photo));
    return text;
}

// The photo, then its pictures; empty where one was moved away.
std::vector<LabelledPixels> sheet_row(const fs::path& out, const BatchPhoto& photo,
                                      const EditResult& result) {
    constexpr int side = 384;
    for (const RenderedImage& image : result.images)
        if (!is_there(out / image.file)) return {};
    std::vector<LabelledPixels> row;
    row.push_back({checked_utf8(photo.file.filename().string()), load_thumbnail(photo.file, side)});
    const bool one_chosen = std::ranges::any_of(
        result.images, [&](const RenderedImage& image) { return is_chosen(result, image); });
    for (const RenderedImage& image : result.images) {
        if (one_chosen && !is_chosen(result, image)) continue;
        std::string label =
            "eta " + csv_number(image.eta ? std::round(*image.eta * 1000) / 1000 : image.eta);
        if (result.images.size() > 1) label += ", seed " + std::to_string(image.seed);
        row.push_back({label, load_thumbnail(out / image.file, side)});
    }
    return row;
}

// Photos with one picture each share rows of three.
void add_row(ContactSheet& sheet, std::vector<LabelledPixels> row) {
    constexpr std::size_t widest = 6;
    const bool fits = !sheet.rows.empty() && row.size() == 2 && sheet.rows.back().size() % 2 == 0 &&
                      sheet.rows.back().size() < widest;
    if (!fits) return sheet.rows.push_back(std::move(row));
    for (LabelledPixels& picture : row) sheet.rows.back().push_back(std::move(picture));
}

fs::path sheet_path(const fs::path& out, std::size_t page) {
    return own_file(out, page == 1 ? "sheet.png" : "sheet-" + std::to_string(page) + ".png");
}

}  // namespace

std::optional<PhotoRecord> load_record(const fs::path& out, const BatchPhoto& photo) {
    const fs::path path = record_path(out, photo);
    if (!is_there(path)) return std::nullopt;
    try {
        return record_of(read_own_json(path, record_kind));
    } catch (const std::exception&) {
        return std::nullopt;  // damaged: the photo is done again, which mends it
    }
}

void save_record(const fs::path& out, const BatchPhoto& photo, const PhotoRecord& record) {
    write_own_json(record_path(out, photo), record_kind, to_json(record));
}

BatchSettings batch_settings(const EditRequest& edit, bool single, const fs::path& model) {
    BatchSettings settings{tuning_json(edit, model), sampling_json(edit.render)};
    settings.sampling["single"] = single;
    return settings;
}

void note_batch(const fs::path& out, const BatchSettings& settings, bool restart) {
    own_folder(out, "batch");
    const fs::path path = own_file(out, "batch/batch.json");
    if (is_there(path) && !restart) {
        const std::string different = differences(settings.tuning, read_own_json(path, batch_kind));
        if (different.empty()) return;
        throw Error(out.string(), "holds another edit; different: " + different +
                                      ". Give another --out, or --restart to begin anew");
    }
    write_own_json(path, batch_kind, settings.tuning);
}

std::string settings_fingerprint(const BatchSettings& settings, const BatchPhoto& photo) {
    Fingerprint all;
    for (const std::string& part :
         {settings.tuning.dump(), settings.sampling.dump(), read_file(photo.file),
          photo.mask.empty() ? std::string() : read_file(photo.mask)}) {
        all.add(part);
        all.end_part();
    }
    return all.text();
}

fs::path write_batch_table(const fs::path& out, const std::vector<BatchPhoto>& photos) {
    const fs::path path = own_file(out, "results.csv");
    // Another shard may write its records and its table at the same time: whoever finds that what
    // it wrote is no longer so writes it again.
    for (std::string text = table_text(out, photos), now;; text = now) {
        write_file_atomically(path, text);
        now = table_text(out, photos);
        if (now == text) return path;
    }
}

std::vector<fs::path> write_batch_sheets(const fs::path& out, const std::vector<BatchPhoto>& photos,
                                         const EditRequest& edit) {
    constexpr std::size_t pictures_a_page = 120;
    std::vector<fs::path> paths;
    ContactSheet sheet{edit.prompt, {}, {}};
    std::size_t pictures = 0;
    const auto finish = [&] {
        if (sheet.rows.empty()) return;
        paths.push_back(sheet_path(out, paths.size() + 1));
        write_image(paths.back(), draw_contact_sheet(sheet),
                    {.source = PictureSource::edited_by_model});
        sheet.rows.clear();
        pictures = 0;
    };
    for (const BatchPhoto& photo : photos) {
        const std::optional<PhotoRecord> record = load_record(out, photo);
        if (!record || !record->done()) continue;
        std::vector<LabelledPixels> row = sheet_row(out, photo, record->result);
        if (row.empty()) continue;
        if (pictures + row.size() > pictures_a_page) finish();
        pictures += row.size();
        add_row(sheet, std::move(row));
    }
    finish();
    return paths;
}

}  // namespace keepsake::editor
