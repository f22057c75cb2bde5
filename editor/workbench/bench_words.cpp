// Which of My words an edit's model knows.
#include <algorithm>

#include "editor/edit/edit_recipe.h"
#include "editor/session/files_root.h"
#include "editor/workbench/bench.h"
#include "editor/workbench/my_words.h"
#include "editor/workbench/teach_draft.h"
#include "pipeline/networks/word_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using pipeline::AdapterFile;
using pipeline::LearnedWord;

bool same_file(const fs::path& a, const fs::path& b) {
    std::error_code code;
    return a == b || fs::equivalent(a, b, code);
}

// Those that were loaded by other ways stay; those of My words are what the text asks for.
std::vector<AdapterFile> adapters_for(const pipeline::Model& model, const std::vector<MyWord>& all,
                                      const std::vector<MyWord>& wanted) {
    std::vector<AdapterFile> adapters = model.loaded_with.adapters;
    std::erase_if(adapters, [&](const AdapterFile& adapter) {
        return std::ranges::any_of(
            all, [&](const MyWord& word) { return same_file(word.file, adapter.path); });
    });
    for (const MyWord& word : wanted)
        if (word.kind == MyWord::Kind::lora) adapters.push_back({word.file, word.strength});
    return adapters;
}

std::vector<LearnedWord> read_words(const pipeline::Model& model,
                                    const std::vector<MyWord>& wanted) {
    std::vector<LearnedWord> words;
    for (const MyWord& word : wanted) {
        if (word.kind != MyWord::Kind::word) continue;
        pipeline::WordFileRequest request;
        request.width = model.text_encoder.config().hidden_size;
        for (LearnedWord& read : pipeline::read_word_file(word.file, request).words)
            words.push_back(std::move(read));
    }
    return words;
}

// Those of KEEPSAKE_FILES' embeddings that the texts have in them, by their file's name as
// AUTOMATIC1111 takes them; a word that the vocabulary or My words have stays that one.
void add_embeddings(const Bench& bench, const EditDraft& draft, std::vector<LearnedWord>& words) {
    const Document& document = *bench.board.latest();
    for (const std::string& file : document.files->embeddings) {
        const std::string name = checked_utf8(fs::path(file).filename().string());
        const auto is_it = [&](const LearnedWord& word) { return same_word(word.name, name); };
        if (!has_word(draft.prompt, name) && !has_word(draft.sample.negative, name)) continue;
        const bool known = std::ranges::any_of(bench.model->words, is_it);
        if (std::ranges::any_of(words, is_it)) continue;
        if (!known && !document.model->check_word(name).empty()) continue;
        const auto path = find_file(FileKind::embedding, file);
        if (!path) continue;
        pipeline::WordFileRequest request;
        request.width = bench.model->text_encoder.config().hidden_size;
        std::vector<LearnedWord> read = pipeline::read_word_file(*path, request).words;
        if (read.size() == 1) read.front().name = name;
        for (LearnedWord& word : read) words.push_back(std::move(word));
    }
}

const LearnedWord* find_word(const std::vector<LearnedWord>& words, const std::string& name) {
    const auto found = std::ranges::find_if(
        words, [&](const LearnedWord& word) { return same_word(word.name, name); });
    return found == words.end() ? nullptr : &*found;
}

bool has_texts(const Session& session, const EditDraft& draft) {
    return session.recipe.prompt == draft.prompt &&
           session.recipe.sample.negative_prompt == draft.sample.negative;
}

LoadedModel read_again(const Bench& bench, const std::vector<AdapterFile>& adapters) {
    const pipeline::LoadOptions& as = bench.model->loaded_with;
    Compute compute = bench.compute;
    compute.prediction = as.prediction_type;
    compute.vae = as.vae;
    compute.clip_skip = as.clip_skip;
    compute.adapters = adapters;
    return read_model(compute, bench.model->path, nullptr);
}

}  // namespace

std::optional<LoadedModel> model_for(const Bench& bench, const EditDraft& draft) {
    const pipeline::Model& model = *bench.model;
    if (bench.session && has_texts(*bench.session, draft)) return std::nullopt;
    const std::vector<MyWord> all = my_words(bench.library);
    const std::vector<MyWord> wanted = words_for(all, draft.prompt, draft.sample.negative,
                                                 bench.board.latest()->model->fingerprint);
    const std::vector<AdapterFile> adapters = adapters_for(model, all, wanted);
    std::vector<LearnedWord> words = read_words(model, wanted);
    add_embeddings(bench, draft, words);
    std::vector<LearnedWord> missing;
    bool changed = false;  // a word means something else than the model's of that name
    for (const LearnedWord& word : words) {
        const LearnedWord* known = find_word(model.words, word.name);
        if (!known) missing.push_back(word);
        changed |= known && fingerprint_of_word(*known) != fingerprint_of_word(word);
    }
    if (adapters == model.loaded_with.adapters && !changed) {
        if (missing.empty()) return std::nullopt;
        return model_with(pipeline::with_words(model, missing), bench.defaults);
    }
    LoadedModel loaded = read_again(bench, adapters);
    std::vector<LearnedWord> all_words = words;
    for (const LearnedWord& word : model.words)
        if (!find_word(words, word.name)) all_words.push_back(word);
    return model_with(pipeline::with_words(std::move(loaded.model), all_words),
                      std::move(loaded.defaults));
}

}  // namespace keepsake::editor
