#include "editor/workbench/my_words.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "editor/edit/learn.h"
#include "editor/edit/learn_files.h"
#include "editor/session/list_lock.h"
#include "editor/session/own_json.h"
#include "editor/session/place_in.h"
#include "editor/session/recipe.h"
#include "editor/session/run_folder.h"
#include "editor/workbench/teach_draft.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr OwnKind kind = {"keepsake words", 1};
constexpr const char* lock_file = "my-words.lock";
constexpr double strongest = 2;

fs::path list_path(const fs::path& library) {
    return library / "my-words.json";
}

std::string noted(const fs::path& path, const fs::path& library) {
    return path.empty() ? "" : place_in(library, path).string();
}

json entry_of(const MyWord& word, const fs::path& library) {
    return {{"name", checked_utf8(word.name)},
            {"kind", word.kind == MyWord::Kind::word ? "word" : "lora"},
            {"file", noted(word.file, library)},
            {"picture", noted(word.picture, library)},
            {"strength", word.strength},
            {"model", word.model}};
}

MyWord word_of(const json& entry, const fs::path& library) {
    MyWord word;
    word.name = entry.at("name").get<std::string>();
    word.kind = entry.at("kind") == "word" ? MyWord::Kind::word : MyWord::Kind::lora;
    word.file = library / entry.at("file").get<std::string>();
    const std::string picture = entry.value("picture", "");
    if (!picture.empty()) word.picture = library / picture;
    word.strength = std::clamp(entry.value("strength", 1.0), 0.0, strongest);
    word.model = entry.value("model", "");
    return word;
}

void write_words(const fs::path& library, const std::vector<MyWord>& words) {
    json list = json::array();
    for (const MyWord& word : words) list.push_back(entry_of(word, library));
    write_own_json(list_path(library), kind, {{"words", list}});
}

// The run in the library that a file is of; empty where it is of none.
fs::path run_in_library(const fs::path& file, const fs::path& library) {
    const fs::path run = file.parent_path();
    return run.parent_path() == learned_folder(library) && is_run(run) ? run : fs::path();
}

}  // namespace

fs::path learned_folder(const fs::path& library) {
    return library / "learned";
}

std::vector<MyWord> my_words(const fs::path& library) {
    std::error_code code;
    if (!fs::exists(list_path(library), code)) return {};
    std::vector<MyWord> words;
    try {
        const json content = read_own_json(list_path(library), kind);
        for (const json& entry : content.at("words")) {
            MyWord word = word_of(entry, library);
            if (fs::is_regular_file(word.file, code)) words.push_back(std::move(word));
        }
    } catch (const json::exception&) {
        return {};
    } catch (const Error&) {
        return {};
    }
    return words;
}

void add_my_word(const fs::path& library, const MyWord& word) {
    std::error_code code;
    fs::create_directories(library, code);
    const ListLock lock(library, lock_file);
    std::vector<MyWord> words = my_words(library);
    std::erase_if(words, [&](const MyWord& other) { return same_word(other.name, word.name); });
    words.push_back(word);
    write_words(library, words);
}

void add_words_of_run(const fs::path& library, const fs::path& run) {
    for (const MyWord& word : words_of_run(run)) {
        const std::vector<MyWord> words = my_words(library);
        const bool taken = std::ranges::any_of(
            words, [&](const MyWord& other) { return same_word(other.name, word.name); });
        if (!taken) add_my_word(library, word);
    }
}

void set_strength(const fs::path& library, const std::string& name, double strength) {
    const ListLock lock(library, lock_file);
    std::vector<MyWord> words = my_words(library);
    for (MyWord& word : words)
        if (word.name == name && std::isfinite(strength))
            word.strength = std::clamp(strength, 0.0, strongest);
    write_words(library, words);
}

void delete_my_word(const fs::path& library, const std::string& name) {
    const ListLock lock(library, lock_file);
    std::vector<MyWord> words = my_words(library);
    const auto found = std::ranges::find(words, name, &MyWord::name);
    if (found == words.end()) return;
    const fs::path run = run_in_library(found->file, library);
    words.erase(found);
    write_words(library, words);
    std::error_code code;
    if (!run.empty()) fs::remove_all(run, code);  // of a link in it, the link
    if (code) throw Error(run.string(), "cannot be removed whole: " + code.message());
}

std::vector<MyWord> words_of_run(const fs::path& run) {
    const LearnRequest request = learn_request_of(run);
    MyWord word;
    word.file = run / (request.name + ".safetensors");
    if (!is_there(word.file)) return {};
    word.kind = request.kind == LearnKind::word ? MyWord::Kind::word : MyWord::Kind::lora;
    word.name = draft_of(request).token;
    const pipeline::SafetensorsFile file(word.file);
    const auto model = file.metadata().find("keepsake_model_fingerprint");
    if (model != file.metadata().end()) word.model = model->second;
    const std::vector<SampleRow> rows = sample_rows(run);
    if (!rows.empty() && !rows.back().pictures.empty()) word.picture = rows.back().pictures.front();
    return {word};
}

std::vector<MyWord> words_for(const std::vector<MyWord>& words, const std::string& text,
                              const std::string& negative, const std::string& fingerprint) {
    std::vector<MyWord> wanted;
    for (const MyWord& word : words) {
        const bool in_negative = word.kind == MyWord::Kind::word && has_word(negative, word.name);
        if (word.model == fingerprint && (has_word(text, word.name) || in_negative))
            wanted.push_back(word);
    }
    return wanted;
}

}  // namespace keepsake::editor
