#include "editor/workbench/draft_json.h"

#include "editor/session/recipe.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

using nlohmann::json;

constexpr int most_steps = 100'000;

// nlohmann takes a negative or too large number without a word.
template <class Number>
Number whole(const json& fields, const char* name, std::uint64_t most) {
    const json& value = fields.at(name);
    if (!value.is_number_unsigned()) throw Error(name, "is no whole number from 0 up");
    const auto number = value.get<std::uint64_t>();
    if (number > most) throw Error(name, "is out of range");
    return static_cast<Number>(number);
}

}  // namespace

json json_of(const SampleDraft& sample) {
    return {{"sampler", sample.sampler},   {"steps", sample.steps},
            {"guidance", sample.guidance}, {"negative", checked_utf8(sample.negative)},
            {"ddim_eta", sample.ddim_eta}, {"noise_share", sample.noise_share},
            {"tcd_eta", sample.tcd_eta},   {"spacing", sample.spacing},
            {"schedule", sample.schedule}};
}

SampleDraft sample_from(const json& fields) {
    SampleDraft sample;
    sample.sampler = fields.at("sampler").get<std::string>();
    sample.steps = whole<int>(fields, "steps", most_steps);
    sample.guidance = fields.at("guidance").get<double>();
    sample.negative = fields.at("negative").get<std::string>();
    sample.ddim_eta = fields.at("ddim_eta").get<double>();
    sample.noise_share = fields.value("noise_share", sample.noise_share);
    sample.tcd_eta = fields.value("tcd_eta", pipeline::SampleOptions{}.tcd_eta);
    sample.spacing = fields.value("spacing", sample.spacing);
    sample.schedule = fields.value("schedule", sample.schedule);
    check_sample(sample);
    return sample;
}

json json_of(const TuningDraft& tuning) {
    json fields = {{"mode", tuning.mode},
                   {"size", tuning.size},
                   {"learning_seed", tuning.seed},
                   {"word_steps", tuning.embedding_steps},
                   {"word_rate", tuning.embedding_rate},
                   {"photo_steps", tuning.finetune_steps},
                   {"photo_rate", tuning.finetune_rate}};
    const Crop& crop = tuning.crop;
    if (!(crop == Crop{})) fields["crop"] = {crop.x, crop.y, crop.width, crop.height};
    return fields;
}

TuningDraft tuning_from(const json& fields) {
    TuningDraft tuning;
    tuning.mode = fields.at("mode").get<std::string>();
    tuning.size = whole<int>(fields, "size", most_working_size);
    tuning.seed = whole<std::uint64_t>(fields, "learning_seed", UINT64_MAX);
    tuning.embedding_steps = whole<std::int64_t>(fields, "word_steps", INT64_MAX);
    tuning.embedding_rate = fields.at("word_rate").get<double>();
    tuning.finetune_steps = whole<std::int64_t>(fields, "photo_steps", INT64_MAX);
    tuning.finetune_rate = fields.at("photo_rate").get<double>();
    if (fields.contains("crop")) {
        const json& crop = fields.at("crop");
        tuning.crop = {crop.at(0).get<int>(), crop.at(1).get<int>(), crop.at(2).get<int>(),
                       crop.at(3).get<int>()};
    }
    check_tuning(tuning);
    return tuning;
}

}  // namespace keepsake::editor
