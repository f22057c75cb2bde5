#include "editor/session/recipe.h"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "editor/session/json_fields.h"
#include "editor/session/recipe_fields.h"
#include "editor/session/recipe_ranges.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/text/clip_text.h"

namespace keepsake::editor {
namespace {

using nlohmann::json;

// A recipe with the fields that are left out where they are as they always were.
json with_all_fields(json recipe) {
    const pipeline::SampleOptions defaults;
    add_missing(recipe, "/keepsake/sample",
                {{"noise_share", defaults.noise_share},
                 {"inversion_steps", defaults.inversion_steps},
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
        case Mode::inpaint:
            return "inpaint";
    }
    throw Error("mode", "is none of fast, paper, quick, inpaint");
}

bool learns(Mode mode) {
    return mode == Mode::fast || mode == Mode::paper;
}

Mode parse_mode(std::string_view name) {
    if (name == "fast") return Mode::fast;
    if (name == "paper") return Mode::paper;
    if (name == "quick") return Mode::quick;
    if (name == "inpaint") return Mode::inpaint;
    throw Error("mode", "'" + std::string(name) + "' is none of fast, paper, quick, inpaint");
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
    const std::string in_recipe = fields.contains(root) ? names_of(fields[root]) : "";
    fields.erase(root);
    const std::string beside = names_of(fields);
    return in_recipe + (in_recipe.empty() || beside.empty() ? "" : ", ") + beside;
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
        const std::string wrong = fault_in(found, expected, "");
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
