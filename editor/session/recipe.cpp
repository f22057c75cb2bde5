#include "editor/session/recipe.h"

#include <array>
#include <cereal/archives/json.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "editor/session/recipe_ranges.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/text/clip_text.h"

// cereal finds these by the namespace of what they write.
namespace keepsake::optimize {

template <class Archive>
void serialize(Archive& archive, AdamOptions& options) {
    archive(cereal::make_nvp("beta1", options.beta1), cereal::make_nvp("beta2", options.beta2),
            cereal::make_nvp("eps", options.eps));
}

// Enumerations are words in the file.
template <class Enum, std::size_t N>
std::string word_of(Enum value, const std::array<const char*, N>& words) {
    return words.at(static_cast<std::size_t>(value));
}
template <class Enum, std::size_t N>
void parse_word(const std::string& word, const std::array<const char*, N>& words, Enum& value) {
    for (std::size_t i = 0; i < N; ++i) {
        if (word != words[i]) continue;
        value = static_cast<Enum>(i);
        return;
    }
    throw Error("'" + word + "'", "is no word for this field");
}

template <class Archive>
void serialize_draws(Archive& archive, StageOptions& options) {
    constexpr std::array schedules = {"constant", "linear", "cosine"};
    constexpr std::array draws = {"independent", "stratified"};
    std::string schedule = word_of(options.schedule, schedules);
    std::string draw = word_of(options.draws, draws);
    archive(cereal::make_nvp("schedule", schedule),
            cereal::make_nvp("warmup_steps", options.warmup_steps),
            cereal::make_nvp("draws", draw));
    if constexpr (Archive::is_loading::value) {
        parse_word(schedule, schedules, options.schedule);
        parse_word(draw, draws, options.draws);
    }
}

// A stage as the file has it: that of the embedding, of which no LoRA learns, has no rank.
struct StageFields {
    StageOptions& options;
    bool has_rank;
};

template <class Archive>
void serialize(Archive& archive, StageFields& stage) {
    StageOptions& options = stage.options;
    archive(cereal::make_nvp("steps", options.steps),
            cereal::make_nvp("learning_rate", options.learning_rate),
            cereal::make_nvp("batch_size", options.batch_size),
            cereal::make_nvp("adam", options.adam));
    if (stage.has_rank) archive(cereal::make_nvp("rank", options.rank));
    serialize_draws(archive, options);
}

}  // namespace keepsake::optimize

namespace keepsake::pipeline {

template <class Archive>
void serialize(Archive& archive, SampleOptions& options) {
    std::string sampler(sampler_name(options.sampler));
    archive(cereal::make_nvp("sampler", sampler), cereal::make_nvp("steps", options.steps),
            cereal::make_nvp("guidance_scale", options.guidance_scale),
            cereal::make_nvp("negative_prompt", options.negative_prompt),
            cereal::make_nvp("ddim_eta", options.ddim_eta));
    // Left out where it is 1, as in recipes that are older than it: their tags stay what they were.
    if (Archive::is_loading::value || options.noise_share != 1)
        archive(cereal::make_nvp("noise_share", options.noise_share));
    // Likewise, where they say something.
    if (Archive::is_loading::value || options.sampler == Sampler::tcd)
        archive(cereal::make_nvp("tcd_eta", options.tcd_eta));
    std::string spacing(options.spacing ? spacing_name(*options.spacing) : "");
    if (Archive::is_loading::value || options.spacing)
        archive(cereal::make_nvp("spacing", spacing));
    std::string schedule(options.schedule ? schedule_name(*options.schedule) : "");
    if (Archive::is_loading::value || options.schedule)
        archive(cereal::make_nvp("schedule", schedule));
    if constexpr (Archive::is_loading::value) {
        options.sampler = parse_sampler(sampler);
        if (!spacing.empty()) options.spacing = parse_spacing(spacing);
        if (!schedule.empty()) options.schedule = parse_schedule(schedule);
    }
}

}  // namespace keepsake::pipeline

namespace keepsake::editor {

template <class Archive>
void serialize(Archive& archive, Crop& crop) {
    archive(cereal::make_nvp("x", crop.x), cereal::make_nvp("y", crop.y),
            cereal::make_nvp("width", crop.width), cereal::make_nvp("height", crop.height));
}

template <class Archive>
void serialize(Archive& archive, ModelReference& model) {
    archive(cereal::make_nvp("path", model.path),
            cereal::make_nvp("fingerprint", model.fingerprint));
}

template <class Archive>
void serialize(Archive& archive, ModelPart& part) {
    archive(cereal::make_nvp("path", part.path), cereal::make_nvp("fingerprint", part.fingerprint),
            cereal::make_nvp("weight", part.weight));
}

template <class Archive>
void serialize(Archive& archive, ModelChanges& changes) {
    archive(cereal::make_nvp("weights", changes.weights), cereal::make_nvp("loras", changes.loras),
            cereal::make_nvp("vae", changes.vae), cereal::make_nvp("clip_skip", changes.clip_skip),
            cereal::make_nvp("prediction", changes.prediction));
}

template <class Archive>
void serialize(Archive& archive, WordReference& word) {
    archive(cereal::make_nvp("name", word.name), cereal::make_nvp("fingerprint", word.fingerprint));
}

template <class Archive>
void serialize(Archive& archive, Recipe& recipe) {
    std::string mode(mode_name(recipe.mode));
    optimize::StageFields embedding{recipe.embedding, false}, finetune{recipe.finetune, true};
    archive(cereal::make_nvp("prompt", recipe.prompt), cereal::make_nvp("photo", recipe.photo),
            cereal::make_nvp("mode", mode), cereal::make_nvp("crop", recipe.crop),
            cereal::make_nvp("size", recipe.size), cereal::make_nvp("model", recipe.model),
            cereal::make_nvp("seed", recipe.seed), cereal::make_nvp("start", recipe.start),
            cereal::make_nvp("embedding", embedding), cereal::make_nvp("finetune", finetune),
            cereal::make_nvp("sample", recipe.sample));
    // Left out where it is the line, as in recipes that are older than it.
    std::string way(way_name(recipe.way));
    if (Archive::is_loading::value || recipe.way != Way::line)
        archive(cereal::make_nvp("way", way));
    // Written for whoever compares recipes: what another edition drew is another picture.
    int edition = words_edition;
    if (Archive::is_loading::value || recipe.way == Way::words)
        archive(cereal::make_nvp("way_edition", edition));
    // Likewise where there are none.
    if (Archive::is_loading::value || recipe.changes != ModelChanges{})
        archive(cereal::make_nvp("model_changes", recipe.changes));
    if (Archive::is_loading::value || !recipe.words.empty())
        archive(cereal::make_nvp("words", recipe.words));
    if (Archive::is_loading::value || !recipe.as_word.empty())
        archive(cereal::make_nvp("as_word", recipe.as_word));
    if constexpr (Archive::is_loading::value) {
        recipe.mode = parse_mode(mode);
        recipe.way = parse_way(way);
    }
}

template <class Archive>
void serialize(Archive& archive, FullRender& render) {
    archive(cereal::make_nvp("full", render.full), cereal::make_nvp("mask", render.mask),
            cereal::make_nvp("mask_threshold", render.mask_threshold),
            cereal::make_nvp("mask_feather", render.mask_feather));
}

template <class Archive>
void serialize(Archive& archive, EditRender& render) {
    archive(cereal::make_nvp("eta", render.eta), cereal::make_nvp("seed", render.seed),
            cereal::make_nvp("output", render.full), cereal::make_nvp("recipe", render.recipe));
    // Left out of all others, so that these are as they always were.
    if (render.preview) archive(cereal::make_nvp("preview", render.preview));
}

template <class Archive>
void serialize(Archive& archive, GenerateRender& render) {
    archive(cereal::make_nvp("prompt", render.prompt), cereal::make_nvp("model", render.model),
            cereal::make_nvp("width", render.width), cereal::make_nvp("height", render.height),
            cereal::make_nvp("seed", render.seed), cereal::make_nvp("image", render.image),
            cereal::make_nvp("crop", render.crop), cereal::make_nvp("strength", render.strength),
            cereal::make_nvp("latents", render.latents), cereal::make_nvp("sample", render.sample));
    // Only what is there, so that other pictures' recipes are as they always were.
    GenerateOverrides& overrides = render.overrides;
    if (!overrides.loras.empty()) archive(cereal::make_nvp("loras", overrides.loras));
    if (!overrides.vae.empty()) archive(cereal::make_nvp("vae", overrides.vae));
    if (overrides.clip_skip > 0) archive(cereal::make_nvp("clip_skip", overrides.clip_skip));
    if (!overrides.prompt_syntax.empty())
        archive(cereal::make_nvp("prompt_syntax", overrides.prompt_syntax));
    if (!overrides.rng.empty()) archive(cereal::make_nvp("rng", overrides.rng));
    if (!overrides.mask.empty()) archive(cereal::make_nvp("mask", overrides.mask));
    if (overrides.only_masked) archive(cereal::make_nvp("only_masked", *overrides.only_masked));
    if (overrides.image_guidance)
        archive(cereal::make_nvp("image_guidance", *overrides.image_guidance));
    if (!overrides.words.empty()) archive(cereal::make_nvp("words", overrides.words));
}

namespace {

using nlohmann::json;

// What is wrong with `found`, seen beside a recipe that is known to be right. Empty: nothing.
std::string fault(const json& found, const json& expected, const std::string& name) {
    if (found.is_number() != expected.is_number() ||
        (!found.is_number() && found.type() != expected.type())) {
        return "'" + name + "' is " + found.type_name() + ", expected " + expected.type_name();
    }
    if (!expected.is_object()) return {};
    const std::string prefix = name.empty() ? "" : name + ".";
    for (const auto& [key, value] : expected.items()) {
        if (!found.contains(key)) return "the field '" + prefix + key + "' is missing";
        if (std::string inner = fault(found[key], value, prefix + key); !inner.empty())
            return inner;
    }
    for (const auto& [key, value] : found.items()) {
        if (!expected.contains(key)) return "the field '" + prefix + key + "' is unknown";
    }
    return {};
}

// Takes out of `found` what `expected` has not, and returns it in the same places.
json take_unknown(json& found, const json& expected) {
    json unknown = json::object();
    for (auto field = found.begin(); field != found.end();) {
        if (!expected.contains(field.key())) {
            unknown[field.key()] = *field;
            field = found.erase(field);
            continue;
        }
        const json& known = expected[field.key()];
        if (field->is_object() && known.is_object()) {
            json inner = take_unknown(*field, known);
            if (!inner.empty()) unknown[field.key()] = std::move(inner);
        }
        ++field;
    }
    return unknown;
}

void add_names(const json& fields, const std::string& prefix, std::string& names) {
    for (const auto& [key, value] : fields.items()) {
        if (value.is_object() && !value.empty()) {
            add_names(value, prefix + key + ".", names);
        } else {
            names += (names.empty() ? "" : ", ") + prefix + key;
        }
    }
}

// Adds those of `fields` that the object at `place` has not.
void add_missing(json& file, const char* place, json fields) {
    const json::json_pointer at(place);
    if (!file.contains(at) || !file[at].is_object()) return;
    fields.update(file[at]);
    file[at] = std::move(fields);
}

// A recipe with the fields that are left out where they are as they always were.
json with_all_fields(json recipe) {
    const pipeline::SampleOptions defaults;
    add_missing(recipe, "/keepsake/sample",
                {{"noise_share", defaults.noise_share},
                 {"tcd_eta", defaults.tcd_eta},
                 {"spacing", ""},
                 {"schedule", ""}});
    const json no_changes = {{"weights", ""},
                             {"loras", json::array()},
                             {"vae", {{"path", ""}, {"fingerprint", ""}, {"weight", 1.0}}},
                             {"clip_skip", 0},
                             {"prediction", ""}};
    add_missing(recipe, "/keepsake",
                {{"way", way_name(Way::line)},
                 {"way_edition", words_edition},
                 {"model_changes", no_changes},
                 {"words", json::array()},
                 {"as_word", ""}});
    return recipe;
}

template <class Value>
std::string write_json(const char* name, const Value& value) {
    std::ostringstream stream;
    {
        cereal::JSONOutputArchive archive(stream);
        archive(cereal::make_nvp(name, value));
    }
    return stream.str();
}

constexpr const char* root = "keepsake";
constexpr const char* kind = "keepsake session";
constexpr int version = 4;  // rises with each field that is added

// Takes kind and version out of a recipe's file; returns the version, 0 of before there was one.
// Throws Error saying what is wrong with them.
std::uint64_t take_version(json& file) {
    if (!file.is_object()) return 0;
    if (const auto found = file.find("kind"); found != file.end()) {
        if (*found != kind) throw Error("kind", found->dump() + " is not \"" + kind + "\"");
        file.erase(found);
    }
    const auto found = file.find("version");
    if (found == file.end()) return 0;
    if (!found->is_number_unsigned()) throw Error("version", found->dump() + " is no version");
    const auto number = found->get<std::uint64_t>();
    file.erase(found);
    return number;
}

std::string last_name(const std::string& path) {
    return std::filesystem::path(path).filename().string();
}

ModelReference without_folders(ModelReference model) {
    model.path = last_name(model.path);
    return model;
}

ModelChanges without_folders(ModelChanges changes) {
    for (ModelPart& lora : changes.loras) lora.path = last_name(lora.path);
    changes.vae.path = last_name(changes.vae.path);
    return changes;
}

}  // namespace

std::string_view mode_name(Mode mode) {
    switch (mode) {
        case Mode::fast:
            return "fast";
        case Mode::paper:
            return "paper";
        case Mode::quick:
            return "quick";
    }
    throw Error("mode", "is none of fast, paper, quick");
}

Mode parse_mode(std::string_view name) {
    if (name == "fast") return Mode::fast;
    if (name == "paper") return Mode::paper;
    if (name == "quick") return Mode::quick;
    throw Error("mode", "'" + std::string(name) + "' is none of fast, paper, quick");
}

std::string_view way_name(Way way) {
    return way == Way::words ? "words" : "line";
}

Way parse_way(std::string_view name) {
    if (name == "words") return Way::words;
    if (name == "line") return Way::line;
    throw Error("way", "'" + std::string(name) + "' is none of words, line");
}

std::string checked_utf8(const std::string& text) {
    const std::string quoted = json(text).dump(-1, ' ', false, json::error_handler_t::replace);
    return json::parse(quoted).get<std::string>();
}

std::string to_json(const Recipe& recipe) {
    std::ostringstream stream;
    {
        cereal::JSONOutputArchive archive(stream);
        archive(cereal::make_nvp("kind", std::string(kind)), cereal::make_nvp("version", version),
                cereal::make_nvp(root, recipe));
    }
    if (recipe.newer.empty()) return stream.str() + "\n";
    json file = json::parse(stream.str());
    file.merge_patch(json::parse(recipe.newer));
    return file.dump(4) + "\n";
}

std::string to_chunk(const EditRender& render) {
    EditRender shared = render;
    shared.recipe.model = without_folders(shared.recipe.model);
    shared.recipe.changes = without_folders(shared.recipe.changes);
    return json::parse(write_json("edit", shared)).dump(-1, ' ', true);
}

std::string to_chunk(const GenerateRender& render) {
    GenerateRender shared = render;
    shared.model = without_folders(shared.model);
    return json::parse(write_json("generate", shared)).dump(-1, ' ', true);
}

RecipeKind recipe_kind(const std::string& text) {
    json file;
    try {
        file = parse_json(text, "recipe");
    } catch (const Error&) {
        return RecipeKind::damaged;
    }
    if (!file.is_object()) return RecipeKind::another;
    const auto found = file.find("kind");
    // Of before there was a kind: what the recipe has lain under since its first day.
    const bool ours = found != file.end() ? *found == kind
                                          : file.contains(root) && file[root].is_object() &&
                                                file[root].contains("prompt");
    return ours ? RecipeKind::ours : RecipeKind::another;
}

std::string unknown_fields(const Recipe& recipe) {
    if (recipe.newer.empty()) return {};
    json fields = json::parse(recipe.newer);
    fields.erase("version");
    std::string names;
    add_names(fields.contains(root) ? fields[root] : json::object(), "", names);
    fields.erase(root);
    add_names(fields, "", names);
    return names;
}

Recipe recipe_from_json(const std::string& text, const std::string& source) {
    try {
        json found = parse_json(text, source);
        const std::uint64_t found_version = take_version(found);
        found = with_all_fields(std::move(found));
        const json expected = with_all_fields(json::parse(write_json(root, Recipe{})));
        std::string newer;
        if (found_version > version && found.is_object()) {
            json unknown = take_unknown(found, expected);
            unknown["version"] = found_version;
            newer = unknown.dump();
        }
        // cereal stops at the first field it misses without a word on the others, and passes over
        // those it does not know.
        const std::string wrong = fault(found, expected, "");
        if (!wrong.empty()) throw Error(source, "is not a recipe: " + wrong);
        Recipe recipe;
        std::istringstream stream(found.dump());
        cereal::JSONInputArchive archive(stream);
        archive(cereal::make_nvp(root, recipe));
        check_ranges(recipe);
        recipe.newer = newer;
        return recipe;
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with(source)) throw;
        throw Error(source, error.what());
    } catch (const std::exception& error) {
        throw Error(source, std::string("is not a recipe: ") + error.what());
    }
}

Recipe load_recipe(const std::filesystem::path& path) {
    return recipe_from_json(read_file(path), path.string());
}

void save_recipe(const std::filesystem::path& path, const Recipe& recipe) {
    write_file_atomically(path, to_json(recipe));
}

bool has_word(const std::string& text, const std::string& name) {
    const std::u32string in = pipeline::normalize_text(pipeline::from_utf8(text));
    return in.find(pipeline::normalize_text(pipeline::from_utf8(name))) != in.npos;
}

std::string tuning_tag(const Recipe& recipe) {
    Recipe tuning = recipe;
    tuning.model.path.clear();
    // The model's fingerprint is also that of its changes, but for what it predicts.
    tuning.changes = {};
    tuning.changes.prediction = recipe.changes.prediction;
    tuning.photo.clear();
    tuning.sample = {};
    tuning.way = Way::line;
    // Of the words those that are tuned with.
    std::erase_if(tuning.words,
                  [&](const WordReference& word) { return !has_word(recipe.prompt, word.name); });
    std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a, 64 bits
    for (const char c : write_json(root, tuning) + "\n") {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    }
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
    return digits;
}

}  // namespace keepsake::editor
