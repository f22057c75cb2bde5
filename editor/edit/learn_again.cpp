// A run's own notes as the request that goes on with it.
#include <nlohmann/json.hpp>

#include "editor/edit/learn.h"
#include "editor/edit/learn_settings.h"
#include "editor/session/run_folder.h"
#include "pipeline/files/json_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using optimize::PictureOptions;

// The fields of one object, each checked where it is read; one that is missing leaves what was.
class Fields {
  public:
    Fields(const ordered_json& object, std::string noun)
        : object_(object), noun_(std::move(noun)) {}

    bool has(const char* key) const { return object_.contains(key); }
    void read(const char* key, bool& into) const {
        if (const ordered_json* value = find(key, &ordered_json::is_boolean)) into = *value;
    }
    void read(const char* key, std::string& into) const {
        if (const ordered_json* value = find(key, &ordered_json::is_string)) into = *value;
    }
    void read(const char* key, std::vector<std::string>& into) const {
        const ordered_json* values = find(key, &ordered_json::is_array);
        if (!values) return;
        into.clear();
        for (const ordered_json& value : *values) {
            if (!value.is_string()) refuse(key, value);
            into.push_back(value);
        }
    }
    // Any of 64 bits, which a double would round.
    void read(const char* key, std::uint64_t& into) const {
        if (const ordered_json* value = find(key, &ordered_json::is_number_unsigned)) into = *value;
    }
    template <class Number>
    void read(const char* key, Number& into, double least, double most) const {
        const ordered_json* value = find(key, &ordered_json::is_number);
        if (!value) return;
        const double number = value->get<double>();
        if (!(number >= least && number <= most)) refuse(key, *value);
        into = static_cast<Number>(number);
    }
    template <class Choice>
    void read_choice(const char* key, Choice& into, Choice last) const {
        int number = static_cast<int>(into);
        read(key, number, 0, static_cast<int>(last));
        into = static_cast<Choice>(number);
    }

  private:
    const ordered_json* find(const char* key, bool (ordered_json::*is)() const noexcept) const {
        const auto found = object_.find(key);
        if (found == object_.end()) return nullptr;
        if (!((*found).*is)()) refuse(key, *found);
        return &*found;
    }
    [[noreturn]] void refuse(const char* key, const ordered_json& value) const {
        throw Error(noun_, "its " + std::string(key) + " is " + brief(nlohmann::json(value)));
    }

    const ordered_json& object_;
    std::string noun_;
};

constexpr double many = 100'000'000;

LearnKind kind_of(const std::string& what, const fs::path& run) {
    for (const LearnKind kind : {LearnKind::word, LearnKind::subject, LearnKind::captions})
        if (what == learn_name(kind)) return kind;
    throw Error("run " + run.string(), "is one of " + brief(what) + ", not of keepsake learn");
}

void read_options(const Fields& s, PictureOptions& options) {
    s.read("steps", options.stage.steps, 1, many);
    s.read("batch", options.stage.batch_size, 1, 4096);
    s.read("accumulation", options.accumulation, 1, 4096);
    s.read("learning_rate", options.schedule.rate, 0, 10);
    s.read_choice("schedule", options.schedule.kind, optimize::LearningSchedule::polynomial);
    s.read("warmup", options.schedule.warmup_steps, 0, many);
    s.read("weight_decay", options.weight_decay, 0, 10);
    s.read("gradient_norm", options.max_gradient_norm, 0, 1e6);
    s.read("min_snr", options.min_snr_gamma, 0, 1e6);
    s.read("noise_offset", options.noising.offset, 0, 10);
    s.read("input_perturbation", options.noising.perturbation, 0, 10);
    s.read("caption_dropout", options.caption_dropout, 0, 1);
    s.read("text_encoder", options.text_encoder);
    s.read("all_weights", options.all_weights);
    s.read("rank", options.lora.rank, 1, 4096);
    if (s.has("alpha")) s.read("alpha", options.lora.alpha.emplace(), 1e-9, 1e9);
    s.read("dropout", options.lora.dropout, 0, 0.999999);
    s.read_choice("targets", options.lora.targets, pipeline::LoraTargets::all);
    s.read_choice("lora_start", options.lora.start, pipeline::LoraStart::gaussian);
    double decay = 0;
    s.read("ema", decay, 0, 1);
    options.ema.reset();
    if (decay > 0) options.ema.emplace().decay = decay;
    bool stratified = options.stage.draws == optimize::Draws::stratified;
    s.read("stratified", stratified);
    options.stage.draws = stratified ? optimize::Draws::stratified : optimize::Draws::independent;
}

// "sks flower" of "a photo of sks flower".
std::string words_of_prompt(std::string prompt) {
    const std::string before = learned_prompt("");
    return prompt.starts_with(before) ? prompt.substr(before.size()) : prompt;
}

void read_word(const Fields& s, const Fields& hints, LearnRequest& request) {
    s.read("word", request.word.name);
    std::int64_t vectors = 1;
    s.read("vectors", vectors, 1, 75);
    request.word.vectors = vectors;
    if (hints.has("init")) hints.read("init", request.word.init.emplace());
    hints.read("style", request.word.style);
    hints.read("templates", request.word.templates);
    s.read_choice("norm", request.options.word->norm, optimize::WordNorm::free);
}

void read_subject(const Fields& s, const Fields& hints, const fs::path& run,
                  LearnRequest& request) {
    std::string prompt, class_prompt, form = "diffusers", folder;
    s.read("prompt", prompt);
    request.token = words_of_prompt(prompt);
    s.read("class_prompt", class_prompt);
    if (class_prompt.empty()) return;
    request.prior.class_words = words_of_prompt(class_prompt);
    s.read("class_pictures", request.prior.pictures, 1, 10'000);
    s.read("class_steps", request.prior.steps, 1, 1000);
    hints.read("class_folder", folder);
    if (!folder.empty()) request.prior.folder = run / folder;
    s.read("prior_weight", request.options.prior_weight, 0, 1000);
    s.read("prior", form);
    if (form == "kohya") request.options.prior_form = optimize::PriorForm::kohya;
}

}  // namespace

LearnRequest learn_request_of(const fs::path& run) {
    const RunRecipe recipe = load_run_recipe(run);
    const std::string noun = "run " + run.string();
    const Fields s(recipe.settings, noun), hints(recipe.hints, noun);
    LearnRequest request;
    request.kind = kind_of(recipe.what, run);
    request.out = run;
    std::string model, prediction;
    hints.read("model", model);
    if (!model.empty()) request.model = model;
    request.options = learn_options(request.kind, request.model);
    read_options(s, request.options);
    std::vector<std::string> places;
    hints.read("places", places);
    if (places.empty())
        throw Error(noun, std::string("does not say where its pictures are; go on with it by "
                                      "keepsake ") +
                              learn_name(request.kind));
    for (const std::string& place : places) request.pictures.push_back(run / place);
    hints.read("name", request.name);
    // It becomes a file's name, and the run may be a stranger's.
    if (request.name.empty() || request.name.starts_with(".") ||
        request.name.find('/') != std::string::npos)
        throw Error(noun, "its name is no plain file name");
    if (request.kind == LearnKind::word) read_word(s, hints, request);
    if (request.kind == LearnKind::subject) read_subject(s, hints, run, request);
    if (request.kind == LearnKind::captions) hints.read("token", request.token);
    int side = 0;
    s.read("size", side, 1, 16384);
    if (side > 0) request.size = side;
    s.read("buckets", request.buckets);
    s.read("mirror", request.mirror);
    s.read("seed", request.seed);
    s.read("prediction", prediction);
    if (!prediction.empty()) request.compute.prediction = pipeline::parse_prediction(prediction);
    return request;
}

}  // namespace keepsake::editor
