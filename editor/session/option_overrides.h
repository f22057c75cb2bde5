// What stands above the defaults of the options structs: keepsake.json beside a model, then options
// given by the user. A field that is empty changes nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "optimize/imagic/imagic.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {

// Interpolation weights: `count` evenly spaced from `first` to `last`.
struct EtaRange {
    double first = 0.4;  // brackets 0.6 to 0.8, which the paper finds best (section 4.1)
    double last = 1.0;
    int count = 4;
};

// "0.8" or "0.6:1.2:4". Throws Error naming the text and what is expected.
EtaRange parse_eta(std::string_view text);
std::vector<double> eta_values(const EtaRange& range);

struct StageOverrides {
    std::optional<std::int64_t> steps;
    std::optional<double> learning_rate;
    std::optional<std::int64_t> batch_size;
    std::optional<std::int64_t> rank;  // fine-tuning's
};

struct SampleOverrides {
    std::optional<pipeline::Sampler> sampler;
    std::optional<int> steps;
    std::optional<double> guidance_scale;
    std::optional<std::string> negative_prompt;
    std::optional<double> ddim_eta;
    std::optional<double> noise_share;
    std::optional<double> tcd_eta;
    std::optional<pipeline::TimestepSpacing> spacing;
    std::optional<pipeline::NoiseSchedule> schedule;
};

// keepsake.json in a model folder, or <checkpoint's stem>.keepsake.json beside a single file:
// {"paper": {"embedding": {"steps", "learning_rate", "batch_size"}, "finetune": {likewise, "rank"},
//            "eta": "0.6:1.2:4", "noise_share": 1},
//  "fast": {likewise}, "again": {likewise: fast, for another text on the same photo},
//  "sample": {"sampler", "steps", "guidance_scale", "negative_prompt", "ddim_eta",
//             "tcd_eta", "spacing", "schedule"},
//  "word": {"steps", "learning_rate", "batch_size", "init", "templates": ["a photo of a {}",
//  ...]},
//  "subject": {"steps", "learning_rate", "batch_size", "rank"}, "captions": {likewise},
//  "student": {"steps", "guidance": [1, 6]}: of a model that was distilled, how many steps of
//             "sample"'s sampler and spacing it was taught, and the guidance scales; else any};
// every key may be left out.
struct TuningDefaults {
    StageOverrides embedding, finetune;
    std::optional<EtaRange> eta;
    std::optional<double> noise_share;  // a mode's own; SampleOptions
};
// Of textual inversion (optimize/learn/word.h).
struct WordDefaults {
    StageOverrides stage;
    std::optional<std::string> init;     // what a word starts from where nothing is said
    std::vector<std::string> templates;  // of what the model understands; empty: the usual ones
};
// What a model was taught by distillation; empty: anything.
struct StudentLimits {
    std::optional<int> steps;
    std::optional<double> least_guidance, most_guidance;  // both or none
};
struct ModelDefaults {
    TuningDefaults paper, fast, again;
    SampleOverrides sample;
    StudentLimits student;
    WordDefaults word;
    StageOverrides subject, captions;  // of optimize/learn/pictures.h
};

// No file: no overrides. Throws Error naming the file and the key that is unknown or malformed.
ModelDefaults load_model_defaults(const std::filesystem::path& model);

// Throws Error naming the option in which `sample` leaves what the model was taught.
void check_student(const ModelDefaults& defaults, const pipeline::SampleOptions& sample);

void apply(const StageOverrides& overrides, optimize::StageOptions& options);
void apply(const SampleOverrides& overrides, pipeline::SampleOptions& options);

}  // namespace keepsake::editor
