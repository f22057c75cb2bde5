#include "editor/edit/edit_recipe.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <sstream>

#include "editor/edit/model_changes.h"
#include "editor/edit/photo_word.h"
#include "editor/session/bundled_model.h"
#include "editor/session/elsewhere_files.h"
#include "optimize/imagic/fast.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/model/threads.h"
#include "pipeline/text/clip_text.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// "text 'x' (the session has 'y')", ..., for every asked-for value that differs.
class Differences {
  public:
    template <class Value>
    void compare(const char* name, const std::optional<Value>& asked, const Value& has) {
        if (!asked || *asked == has) return;
        std::ostringstream text;
        text << name << " " << *asked << " (the session has " << has << ")";
        add(text.str());
    }
    void add(const std::string& text) { text_ += (text_.empty() ? "" : ", ") + text; }
    const std::string& text() const { return text_; }

  private:
    std::string text_;
};

std::string crop_text(const Crop& crop) {
    return std::to_string(crop.x) + "," + std::to_string(crop.y) + "," +
           std::to_string(crop.width) + "," + std::to_string(crop.height);
}

void compare_stage(Differences& differences, const std::string& name, const StageOverrides& asked,
                   const optimize::StageOptions& has) {
    differences.compare((name + " steps").c_str(), asked.steps, has.steps);
    differences.compare((name + " learning rate").c_str(), asked.learning_rate, has.learning_rate);
    differences.compare((name + " batch size").c_str(), asked.batch_size, has.batch_size);
    differences.compare((name + " rank").c_str(), asked.rank, has.rank);
}

// Empty when there is no readable model at `path`.
std::string fingerprint_at(const fs::path& path) {
    try {
        return pipeline::model_fingerprint(path);
    } catch (const Error&) {
        return {};
    }
}

fs::path recorded_model(const Session& session) {
    const ModelReference& made_with = session.recipe.model;
    const std::string& changed = session.recipe.changes.weights;
    const std::string& weights = changed.empty() ? made_with.fingerprint : changed;
    for (const fs::path& path : {fs::path(made_with.path), default_model(), bundled_model()}) {
        if (!path.empty() && fingerprint_at(path) == weights) return path;
    }
    throw Error("session " + session.folder.string(),
                "was made with the model " + made_with.path + " (fingerprint " + weights +
                    "), which is not there any more; give its --model");
}

}  // namespace

namespace {

const TuningDefaults& tuning_defaults(const ModelDefaults& defaults, Mode mode) {
    static const TuningDefaults none;
    return mode == Mode::fast ? defaults.fast : mode == Mode::paper ? defaults.paper : none;
}

// What a session of a mode that learns nothing says of its stages: there are none. Its LoRA is as
// small as one can be.
void learn_nothing(Recipe& recipe) {
    recipe.embedding.steps = recipe.finetune.steps = 0;
    recipe.finetune.rank = 1;
}

void refuse_learning(const Recipe& recipe) {
    if (!learns(recipe.mode) && (recipe.embedding.steps > 0 || recipe.finetune.steps > 0))
        throw Error("mode " + std::string(mode_name(recipe.mode)),
                    "learns nothing, so it takes no steps of learning");
}

// Throws Error where a word cannot be learned in e_opt's place.
void check_as_word(const Recipe& recipe, const pipeline::Model& model) {
    const auto refuse = [](const std::string& why) { throw Error("--as-word", why); };
    check_word_as_file(recipe.as_word);
    if (!learns(recipe.mode)) refuse("needs a mode that learns");
    if (recipe.finetune.rank == 0) refuse("needs a LoRA (--rank above 0, or the fast mode)");
    if (!recipe.start.empty()) refuse("does not go on from another session (--from)");
    photo_word(model, recipe.prompt, recipe.as_word);
}

// What a tuning that starts from another session does differently. Throws Error naming that
// session.
void start_again(const Session& start, const Photo& photo, const pipeline::Model& model,
                 const ModelDefaults& defaults, Recipe& recipe) {
    const Recipe& earlier = start.recipe;
    const auto refuse = [&](const std::string& why) {
        throw Error("session " + start.folder.string(), "cannot be the start: " + why);
    };
    if (next_stage(start) != Stage::done) refuse("its tuning is not finished");
    if (recipe.mode != Mode::fast || earlier.mode != Mode::fast || earlier.finetune.rank == 0)
        refuse("only a fast tuning starts from another, which must be fast too");
    if (earlier.model.fingerprint != recipe.model.fingerprint ||
        earlier.changes.prediction != recipe.changes.prediction)
        refuse("it has another model");
    if (read_file(photo_path(start)) != photo.bytes) refuse("it has another photo");
    if (earlier.crop != recipe.crop || earlier.size != recipe.size)
        refuse("it works on another part of the photo");
    load_tuning(start, model);  // throws here what would end the new tuning when it begins
    recipe.start = tuning_tag(earlier);
    const optimize::TuningOptions again = optimize::fast_options_again(finetune_rate(start));
    recipe.embedding = again.embedding;
    recipe.finetune = again.finetune;
    for (const TuningDefaults* tuning : {&defaults.fast, &defaults.again}) {
        StageOverrides embedding = tuning->embedding, finetune = tuning->finetune;
        if (tuning == &defaults.fast) {  // of a first text: its lengths, and a rate used already
            embedding.steps = finetune.steps = std::nullopt;
            finetune.learning_rate = std::nullopt;
        }
        apply(embedding, recipe.embedding);
        apply(finetune, recipe.finetune);
    }
    recipe.finetune.rank = earlier.finetune.rank;
}

}  // namespace

ModelReference reference_to(const pipeline::Model& model) {
    std::error_code code;
    const fs::path whole = fs::absolute(model.path, code).lexically_normal();
    return {checked_utf8((code ? model.path : whole).string()), model.fingerprint};
}

void refuse_other_purposes(const pipeline::Model& model, Mode mode) {
    if (pipeline::is_inpainting(model) && mode != Mode::inpaint)
        throw Error(model.path.string(),
                    "is for inpainting, which the mode inpaint does, and keepsake generate with "
                    "--image and --mask");
    if (pipeline::takes_instructions(model))
        throw Error(model.path.string(),
                    "edits by instruction, which keepsake generate does with --image");
}

Recipe make_recipe(const EditRequest& request, const Photo& photo, const pipeline::Model& model,
                   const ModelDefaults& defaults, const Session* start) {
    Recipe recipe;
    recipe.prompt = request.prompt;
    recipe.photo = checked_utf8(photo.path.filename().string());
    recipe.mode = request.mode.value_or(recipe.mode);
    refuse_other_purposes(model, recipe.mode);
    recipe.crop = request.crop.value_or(whole_crop(photo));
    check_crop(photo, recipe.crop);
    recipe.size = request.size.value_or(static_cast<int>(model.native_size()));
    recipe.model = reference_to(model);
    recipe.changes = changes_of(model);
    recipe.seed = request.tuning_seed.value_or(recipe.seed);
    if (recipe.mode == Mode::fast) {
        const optimize::TuningOptions fast = optimize::fast_options();
        recipe.embedding = fast.embedding;
        recipe.finetune = fast.finetune;
    } else if (!learns(recipe.mode)) {
        learn_nothing(recipe);
    }
    const TuningDefaults& tuning = tuning_defaults(defaults, recipe.mode);
    apply(tuning.embedding, recipe.embedding);
    apply(tuning.finetune, recipe.finetune);
    if (start) start_again(*start, photo, model, defaults, recipe);
    apply(request.embedding, recipe.embedding);
    apply(request.finetune, recipe.finetune);
    refuse_learning(recipe);
    recipe.as_word = request.as_word.value_or("");
    if (!recipe.as_word.empty()) check_as_word(recipe, model);
    sample_as_asked(request.render, defaults, recipe);
    recipe.words = words_in(model, recipe.prompt, recipe.sample.negative_prompt);
    return recipe;
}

std::vector<WordReference> words_in(const pipeline::Model& model, const std::string& prompt,
                                    const std::string& negative_prompt) {
    std::vector<WordReference> words;
    for (const pipeline::LearnedWord& word : model.words)
        if (has_word(prompt, word.name) || has_word(negative_prompt, word.name))
            words.push_back({word.name, pipeline::fingerprint_of_word(word)});
    return words;
}

bool knows_words(const pipeline::Model& model, const Recipe& recipe) {
    return std::ranges::all_of(recipe.words, [&](const WordReference& wanted) {
        return std::ranges::any_of(model.words, [&](const pipeline::LearnedWord& word) {
            return word.name == wanted.name &&
                   pipeline::fingerprint_of_word(word) == wanted.fingerprint;
        });
    });
}

void check_same_words(const Session& session, const pipeline::Model& model) {
    const Recipe& recipe = session.recipe;
    for (const WordReference& word : words_in(model, recipe.prompt, ""))
        if (std::ranges::find(recipe.words, word) == recipe.words.end())
            throw Error("session " + session.folder.string(),
                        "was tuned with '" + word.name +
                            "' as plain text, not as the word that is given now. Give another "
                            "--session, or --restart to tune this one anew");
}

pipeline::SampleOptions default_sample(const ModelDefaults& defaults, Mode mode) {
    pipeline::SampleOptions sample;
    if (mode == Mode::fast) sample.noise_share = optimize::fast_options().noise_share;
    // What was not learned comes back from its own noise alone.
    if (mode == Mode::quick) sample.noise_share = 0;
    apply(defaults.sample, sample);
    // The photo comes back best without guidance, and the words pull by themselves.
    if (mode == Mode::fast || mode == Mode::quick) sample.guidance_scale = 1;
    sample.noise_share = tuning_defaults(defaults, mode).noise_share.value_or(sample.noise_share);
    return sample;
}

void sample_as_asked(const RenderRequest& request, const ModelDefaults& defaults, Recipe& recipe) {
    const bool by_words = recipe.mode == Mode::fast || recipe.mode == Mode::quick;
    if (recipe.mode == Mode::inpaint && (request.way || request.sample.noise_share.value_or(1) < 1))
        throw Error("mode inpaint",
                    "draws from noise by the text alone: --way and a noise share below 1 mean "
                    "nothing to it");
    recipe.way = request.way.value_or(by_words ? Way::words : Way::line);
    recipe.sample = default_sample(defaults, recipe.mode);
    // The words pull by themselves, away from the negative text where there is one.
    if (recipe.way == Way::line) apply(defaults.sample, recipe.sample);
    apply(request.sample, recipe.sample);
}

EtaRange eta_range(const ModelDefaults& defaults, Mode mode) {
    if (mode == Mode::inpaint) return {1, 1, 1};
    return tuning_defaults(defaults, mode).eta.value_or(EtaRange{});
}

void check_same_tuning(const Session& session, const EditRequest& request, const Photo& photo) {
    const Recipe& recipe = session.recipe;
    Differences differences;
    if (read_file(photo_path(session)) != photo.bytes) {
        differences.add("the photo (the session has another, " + recipe.photo + ")");
    }
    if (request.prompt != recipe.prompt) {
        differences.add("the text (the session has \"" + recipe.prompt + "\")");
    }
    if (request.mode && *request.mode != recipe.mode) {
        differences.add("the mode (the session has " + std::string(mode_name(recipe.mode)) + ")");
    }
    if (request.crop && *request.crop != recipe.crop) {
        differences.add("the crop (the session has " + crop_text(recipe.crop) + ")");
    }
    differences.compare("word", request.as_word, recipe.as_word);
    differences.compare("size", request.size, recipe.size);
    differences.compare("tuning seed", request.tuning_seed, recipe.seed);
    compare_stage(differences, "embedding", request.embedding, recipe.embedding);
    compare_stage(differences, "finetune", request.finetune, recipe.finetune);
    if (differences.text().empty()) return;
    throw Error("session " + session.folder.string(),
                "holds another tuning; different: " + differences.text() +
                    ". Give another --session, or --restart to tune this one anew" +
                    (request.prompt != recipe.prompt && recipe.mode == Mode::fast
                         ? "; another --session with --from this one is quickest"
                         : ""));
}

namespace {

std::string prediction_of(const pipeline::Model& model) {
    const auto& type = model.loaded_with.prediction_type;
    return std::string(type ? pipeline::prediction_name(*type) : "");
}

bool same_name(const std::string& a, const std::string& b) {
    return pipeline::normalize_text(pipeline::from_utf8(a)) ==
           pipeline::normalize_text(pipeline::from_utf8(b));
}

// The session's words, and behind them those of files that are asked for.
std::vector<pipeline::LearnedWord> words_of(const std::vector<WordSource>& sources,
                                            const pipeline::Model& model, const Session* session) {
    std::vector<pipeline::LearnedWord> words;
    if (session) words = read_session_words(*session);
    const std::size_t of_session = words.size();
    for (const WordSource& source : sources) {
        pipeline::WordFileRequest request;
        request.width = model.text_encoder.config().hidden_size;
        request.name = source.name;
        for (pipeline::LearnedWord& word : pipeline::read_word_file(source.path, request).words) {
            const auto known = std::ranges::find_if(
                words, [&](const auto& other) { return same_name(other.name, word.name); });
            if (known == words.end()) {
                words.push_back(std::move(word));
                continue;
            }
            if (pipeline::fingerprint_of_word(*known) == pipeline::fingerprint_of_word(word))
                continue;
            const bool sessions = known - words.begin() < static_cast<std::ptrdiff_t>(of_session);
            throw Error(word.file,
                        "its '" + word.name + "' is not that of " +
                            (sessions ? "session " + session->folder.string() : known->file) +
                            ", and both cannot be called so; give FILE:NAME");
        }
    }
    return words;
}

}  // namespace

bool is_model_of(const Session& session, const pipeline::Model& model) {
    return model.fingerprint == session.recipe.model.fingerprint &&
           prediction_of(model) == session.recipe.changes.prediction;
}

pipeline::Model load_session_model(const RenderRequest& request, const Session* session) {
    fs::path path = request.model.value_or(fs::path());
    if (path.empty()) path = session ? recorded_model(*session) : default_model();
    const Compute compute = session ? with_changes_of(*session, request.compute) : request.compute;
    pipeline::LoadOptions options;
    options.device = compute.device;
    options.arithmetic = compute.arithmetic;
    options.prediction_type = compute.prediction;
    options.adapters = compute.adapters;
    options.vae = compute.vae;
    options.clip_skip = compute.clip_skip;
    options.default_tokenizer = bundled_tokenizer();
    pipeline::Model model = pipeline::load_model(path, options);
    if (session) check_session_model(*session, model);
    const std::vector<pipeline::LearnedWord> words =
        words_of(request.compute.words, model, session);
    return pipeline::with_words(std::move(model), words);
}

void check_session_model(const Session& session, const pipeline::Model& model) {
    const ModelReference& made_with = session.recipe.model;
    const std::string prediction = prediction_of(model),
                      &made_for = session.recipe.changes.prediction;
    // Sessions of before it was noted say nothing of it.
    if (!made_for.empty() && prediction != made_for)
        throw Error("session " + session.folder.string(),
                    "was made with --prediction " + made_for + ", not " +
                        (prediction.empty() ? "without it" : prediction) +
                        ". Give another --session, or --restart to tune this one anew");
    if (model.fingerprint == made_with.fingerprint) return;
    throw Error("session " + session.folder.string(),
                "was made with another model: " + made_with.path + " (fingerprint " +
                    made_with.fingerprint + "), not " + model.path.string() + " (" +
                    model.fingerprint +
                    "). Give another --session, or --restart to tune this one anew");
}

int set_threads(const std::optional<int>& asked, const pipeline::Model& model, std::int64_t size) {
    if (asked) {
        at::set_num_threads(*asked);
        return *asked;
    }
    const std::int64_t side = size / model.vae.config().downscale();
    return pipeline::measure_threads(model.unet, side, side);
}

}  // namespace keepsake::editor
