#include "editor/session/option_overrides.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/number_text.h"

namespace keepsake::editor {
namespace {

using nlohmann::json;

constexpr int most_etas = 1000;
constexpr std::size_t most_templates = 1000;

template <class Number>
bool parse_number(std::string_view text, Number& number) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    return code == std::errc() && end == text.data() + text.size();
}

std::filesystem::path defaults_path(const std::filesystem::path& model) {
    if (type_at(model) == std::filesystem::file_type::directory) return model / "keepsake.json";
    return model.parent_path() / (model.stem().string() + ".keepsake.json");
}

// One object of the file. take() reads the keys it knows; the destructor's work, finding the
// others, is finish(), because it throws.
class Fields {
  public:
    Fields(const json& object, std::string name, const std::string& file)
        : object_(object), name_(std::move(name)), file_(file) {
        if (!object.is_object()) throw Error(file_, "'" + name_ + "' is no object");
    }

    template <class Value>
    void take(const char* key, std::optional<Value>& value) {
        known_.push_back(key);
        if (!object_.contains(key)) return;
        const json& found = object_[key];
        bool fits = found.is_string();
        if constexpr (std::is_integral_v<Value>)
            fits = found.is_number_integer() && found >= std::numeric_limits<Value>::min() &&
                   found <= std::numeric_limits<Value>::max();
        else if constexpr (std::is_floating_point_v<Value>)
            fits = found.is_number() && std::isfinite(found.get<Value>());
        if (!fits)
            throw Error(
                file_, "'" + path(key) + "' is " + brief(found) + ", not of the kind it should be");
        value = found.get<Value>();
    }

    // Null where there is none.
    const json* child(const char* key) {
        known_.push_back(key);
        return object_.contains(key) ? &object_[key] : nullptr;
    }

    std::string path(const std::string& key) const {
        return name_.empty() ? key : name_ + "." + key;
    }

    void finish() const {
        for (const auto& [key, value] : object_.items()) {
            if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
                throw Error(file_, "the key '" + path(key) + "' is unknown");
            }
        }
    }

  private:
    const json& object_;
    std::string name_;
    const std::string& file_;
    std::vector<std::string> known_;
};

template <class Value>
void require(const std::optional<Value>& value, bool (*allowed)(const Value&), const char* name,
             const std::string& file) {
    if (value && !allowed(*value)) throw Error(file, std::string("'") + name + "' is out of range");
}

void take_stage(Fields& fields, const std::string& file, StageOverrides& stage) {
    fields.take("steps", stage.steps);
    fields.take("learning_rate", stage.learning_rate);
    fields.take("batch_size", stage.batch_size);
    require<std::int64_t>(
        stage.steps, [](const auto& v) { return v >= 0; }, "steps", file);
    require<std::int64_t>(
        stage.batch_size, [](const auto& v) { return v >= 1; }, "batch_size", file);
    require<double>(
        stage.learning_rate, [](const auto& v) { return v >= 0; }, "learning_rate", file);
}

void read_stage(const json* object, const std::string& name, const std::string& file,
                StageOverrides& stage) {
    if (!object) return;
    Fields fields(*object, name, file);
    take_stage(fields, file, stage);
    fields.take("rank", stage.rank);
    fields.finish();
    require<std::int64_t>(
        stage.rank, [](const auto& v) { return v >= 0; }, "rank", file);
}

void read_word(const json* object, const std::string& file, WordDefaults& word) {
    if (!object) return;
    Fields fields(*object, "word", file);
    take_stage(fields, file, word.stage);
    fields.take("init", word.init);
    const json* templates = fields.child("templates");
    fields.finish();
    if (!templates) return;
    const bool texts = templates->is_array() && templates->size() <= most_templates &&
                       std::all_of(templates->begin(), templates->end(),
                                   [](const json& text) { return text.is_string(); });
    if (!texts) throw Error(file, "'word.templates' is no list of texts");
    word.templates = templates->get<std::vector<std::string>>();
}

void read_tuning(const json* object, const std::string& name, const std::string& file,
                 TuningDefaults& tuning) {
    if (!object) return;
    Fields fields(*object, name, file);
    read_stage(fields.child("embedding"), name + ".embedding", file, tuning.embedding);
    read_stage(fields.child("finetune"), name + ".finetune", file, tuning.finetune);
    std::optional<std::string> eta;
    fields.take("eta", eta);
    fields.take("noise_share", tuning.noise_share);
    fields.finish();
    require<double>(
        tuning.noise_share, [](const auto& v) { return v >= 0 && v <= 1; }, "noise_share", file);
    if (eta) tuning.eta = parse_eta(*eta);
}

void read_sample(const json* object, const std::string& file, SampleOverrides& sample) {
    if (!object) return;
    Fields fields(*object, "sample", file);
    std::optional<std::string> sampler;
    fields.take("sampler", sampler);
    fields.take("steps", sample.steps);
    fields.take("guidance_scale", sample.guidance_scale);
    fields.take("negative_prompt", sample.negative_prompt);
    fields.take("ddim_eta", sample.ddim_eta);
    fields.take("tcd_eta", sample.tcd_eta);
    std::optional<std::string> spacing;
    fields.take("spacing", spacing);
    std::optional<std::string> schedule;
    fields.take("schedule", schedule);
    fields.finish();
    require<int>(
        sample.steps, [](const auto& v) { return v >= 1; }, "sample.steps", file);
    if (sampler) sample.sampler = pipeline::parse_sampler(*sampler);
    if (spacing) sample.spacing = pipeline::parse_spacing(*spacing);
    if (schedule) sample.schedule = pipeline::parse_schedule(*schedule);
}

void read_student(const json* object, const std::string& file, StudentLimits& student) {
    if (!object) return;
    Fields fields(*object, "student", file);
    fields.take("steps", student.steps);
    if (const json* guidance = fields.child("guidance")) {
        const bool pair = guidance->is_array() && guidance->size() == 2 &&
                          (*guidance)[0].is_number() && (*guidance)[1].is_number();
        if (!pair || !((*guidance)[0] >= 0) || !((*guidance)[1] >= (*guidance)[0]))
            throw Error(file, "'student.guidance' is " + brief(*guidance) +
                                  ", not [least, most] of a guidance scale");
        student.least_guidance = (*guidance)[0].get<double>();
        student.most_guidance = (*guidance)[1].get<double>();
    }
    fields.finish();
    require<int>(
        student.steps, [](const auto& v) { return v >= 1; }, "student.steps", file);
}

ModelDefaults read_defaults(const json& content, const std::string& file) {
    ModelDefaults defaults;
    Fields fields(content, "", file);
    read_tuning(fields.child("paper"), "paper", file, defaults.paper);
    read_tuning(fields.child("fast"), "fast", file, defaults.fast);
    read_tuning(fields.child("again"), "again", file, defaults.again);
    read_sample(fields.child("sample"), file, defaults.sample);
    read_student(fields.child("student"), file, defaults.student);
    read_word(fields.child("word"), file, defaults.word);
    read_stage(fields.child("subject"), "subject", file, defaults.subject);
    read_stage(fields.child("captions"), "captions", file, defaults.captions);
    fields.finish();
    return defaults;
}

}  // namespace

EtaRange parse_eta(std::string_view text) {
    const Error malformed("eta '" + std::string(text) + "'",
                          "is neither a number nor FIRST:LAST:COUNT, e.g. 0.6:1.2:4");
    EtaRange range;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
        if (!parse_number(text, range.first)) throw malformed;
        range.last = range.first;
        range.count = 1;
    } else {
        const std::size_t second = text.find(':', colon + 1);
        if (second == std::string_view::npos || !parse_number(text.substr(0, colon), range.first) ||
            !parse_number(text.substr(colon + 1, second - colon - 1), range.last) ||
            !parse_number(text.substr(second + 1), range.count)) {
            throw malformed;
        }
    }
    if (!std::isfinite(range.first) || !std::isfinite(range.last)) throw malformed;
    if (range.count < 1 || range.count > most_etas) {
        throw Error("eta '" + std::string(text) + "'",
                    "asks for " + std::to_string(range.count) + " images; 1 to 1000 are possible");
    }
    return range;
}

std::vector<double> eta_values(const EtaRange& range) {
    std::vector<double> values;
    for (int i = 0; i < range.count; ++i) {
        const double part = range.count == 1 ? 0.0 : double(i) / (range.count - 1);
        values.push_back(range.first + part * (range.last - range.first));
    }
    return values;
}

ModelDefaults load_model_defaults(const std::filesystem::path& model) {
    const std::filesystem::path path = defaults_path(model);
    if (!is_there(path)) return {};
    try {
        return read_defaults(read_json_file(path), path.string());
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with(path.string())) throw;
        throw Error(path.string(), error.what());
    }
}

void check_student(const ModelDefaults& defaults, const pipeline::SampleOptions& sample) {
    const StudentLimits& student = defaults.student;
    const auto taught = [](const std::string& what) { return "; this model was taught " + what; };
    if (student.steps && sample.steps != *student.steps)
        throw Error("--steps", std::to_string(sample.steps) +
                                   taught(std::to_string(*student.steps) + " alone"));
    const auto own = defaults.sample.sampler.value_or(sample.sampler);
    if (student.steps && sample.sampler != own)
        throw Error("--sampler", std::string(pipeline::sampler_name(sample.sampler)) +
                                     taught("the steps of " +
                                            std::string(pipeline::sampler_name(own)) + " alone"));
    if (student.steps && defaults.sample.spacing && sample.spacing != defaults.sample.spacing)
        throw Error(
            "--spacing",
            (sample.spacing ? std::string(pipeline::spacing_name(*sample.spacing))
                            : std::string("another")) +
                taught(std::string(pipeline::spacing_name(*defaults.sample.spacing)) + " alone"));
    if (!student.least_guidance) return;
    const double least = *student.least_guidance, most = *student.most_guidance;
    if (sample.guidance_scale < least || sample.guidance_scale > most)
        throw Error("--guidance", number_text(sample.guidance_scale) +
                                      taught(number_text(least) +
                                             (least == most ? "" : " to " + number_text(most))));
}

void apply(const StageOverrides& overrides, optimize::StageOptions& options) {
    options.steps = overrides.steps.value_or(options.steps);
    options.learning_rate = overrides.learning_rate.value_or(options.learning_rate);
    options.batch_size = overrides.batch_size.value_or(options.batch_size);
    options.rank = overrides.rank.value_or(options.rank);
}

void apply(const SampleOverrides& overrides, pipeline::SampleOptions& options) {
    options.sampler = overrides.sampler.value_or(options.sampler);
    options.steps = overrides.steps.value_or(options.steps);
    options.guidance_scale = overrides.guidance_scale.value_or(options.guidance_scale);
    options.negative_prompt = overrides.negative_prompt.value_or(options.negative_prompt);
    options.ddim_eta = overrides.ddim_eta.value_or(options.ddim_eta);
    options.noise_share = overrides.noise_share.value_or(options.noise_share);
    options.tcd_eta = overrides.tcd_eta.value_or(options.tcd_eta);
    if (overrides.spacing) options.spacing = overrides.spacing;
    if (overrides.schedule) options.schedule = overrides.schedule;
}

}  // namespace keepsake::editor
