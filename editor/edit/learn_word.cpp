#include "editor/edit/learn_word.h"

#include <algorithm>

#include "editor/session/option_overrides.h"
#include "editor/session/recipe.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/text/added_words.h"
#include "pipeline/text/clip_text.h"

namespace keepsake::editor {

WordPlan plan_word(const WordRequest& request, pipeline::Model& model) {
    const WordDefaults defaults = load_model_defaults(model.path).word;
    WordPlan plan;
    // As the tokenizer looks for it: diffusers' own expansion of several vectors misses other
    // letters.
    plan.name = pipeline::to_utf8(pipeline::normalize_text(pipeline::from_utf8(request.name)));
    plan.start_text = request.init.value_or(defaults.init.value_or("*"));
    plan.start_ids = model.tokenizer.encode(plan.start_text);
    if (plan.start_ids.empty()) throw Error("--init", "has no token in it");
    const auto tokens = static_cast<std::int64_t>(plan.start_ids.size());
    const std::int64_t vectors = request.vectors.value_or(tokens);
    plan.first_id = model.text_encoder.vocabulary_size();
    if (model.tokenizer.next_id() > plan.first_id)
        throw Error(model.path.string(),
                    "cannot learn a word: its tokenizer has more tokens than its text encoder");
    model.tokenizer =
        model.tokenizer.with_words({{plan.name, static_cast<std::size_t>(vectors)}}, plan.first_id);
    plan.start = optimize::word_start(model.text_encoder, plan.start_ids, vectors);
    std::vector<std::string> templates = request.templates;
    if (templates.empty() && !request.style) templates = defaults.templates;
    if (templates.empty()) templates = optimize::word_templates(request.style);
    for (const std::string& text : templates)
        plan.texts.push_back(optimize::fill_template(text, plan.name));
    return plan;
}

void keep_captions_with(const WordPlan& word, const pipeline::Tokenizer& tokenizer,
                        PictureSet& set) {
    const auto without = [&](const std::string& caption) {
        const std::vector<std::int64_t> ids = tokenizer.encode(caption);
        return std::ranges::find(ids, word.first_id) == ids.end();
    };
    std::size_t left_out = 0;
    for (SetPicture& picture : set.pictures) left_out += std::erase_if(picture.captions, without);
    if (left_out > 0)
        set.remarks.push_back(std::to_string(left_out) +
                              (left_out == 1 ? " caption does" : " captions do") + " not have '" +
                              word.name + "' in it; templates take their place");
}

void check_texts(const WordPlan& word, const pipeline::Tokenizer& tokenizer) {
    for (const std::string& text : word.texts)
        if (const auto tokens = tokenizer(text); tokens.cut_tokens > 0)
            throw Error("--vectors", std::to_string(word.start.size(0)) + " in \"" +
                                         checked_utf8(text) +
                                         "\" are more than the 77 tokens that the model sees");
}

void add_settings(const WordPlan& word, const optimize::WordOptions& options,
                  nlohmann::ordered_json& settings) {
    settings["word"] = checked_utf8(word.name);
    settings["vectors"] = word.start.size(0);
    settings["init"] = word.start_ids;
    settings["norm"] = static_cast<int>(options.norm);
    Fingerprint texts;
    for (const std::string& text : word.texts) {
        texts.add(text);
        texts.end_part();
    }
    settings["templates"] = texts.text();
}

std::string describe(const WordPlan& word) {
    const std::int64_t n = word.start.size(0);
    return std::to_string(n) + (n == 1 ? " vector" : " vectors") + " of '" + word.name +
           "', from \"" + checked_utf8(word.start_text) + "\"";
}

}  // namespace keepsake::editor
