// The word that learns in e_opt's place (optimize/imagic/photo_word.h), in a model's vocabulary.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "pipeline/model/model.h"

namespace keepsake::editor {

struct WordInText {
    at::Tensor ids;    // (1, T) int64: the word alone
    at::Tensor start;  // (n, D) float32: the tokens of `prompt` that the model sees
};

// Both on the model's device. Throws Error naming the word where the vocabulary has it already,
// with another proposed, and when the prompt has no token.
WordInText photo_word(const pipeline::Model& model, const std::string& prompt,
                      const std::string& name);

}  // namespace keepsake::editor
