#include "editor/edit/photo_word.h"

#include <algorithm>

#include "optimize/learn/word.h"
#include "pipeline/error.h"
#include "pipeline/text/added_words.h"

namespace keepsake::editor {

WordInText photo_word(const pipeline::Model& model, const std::string& prompt,
                      const std::string& name) {
    std::vector<std::int64_t> ids = model.tokenizer.encode(prompt);
    if (ids.empty()) throw Error("--as-word", "needs a target text with a token in it");
    ids.resize(std::min(ids.size(), static_cast<std::size_t>(model.tokenizer.max_length() - 2)));
    const pipeline::Tokenizer tokenizer =
        model.tokenizer.with_words({{name, ids.size()}}, model.text_encoder.vocabulary_size());
    const at::Tensor word = at::tensor(tokenizer(name).ids, at::TensorOptions().dtype(at::kLong));
    return {word.unsqueeze(0).to(model.device),
            optimize::word_start(model.text_encoder, ids, static_cast<std::int64_t>(ids.size()))};
}

}  // namespace keepsake::editor
