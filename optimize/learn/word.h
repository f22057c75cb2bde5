// A new word: textual inversion (Gal et al., arXiv 2208.01618). Vectors of its own, behind the text
// encoder's vocabulary, are all that learns (section 4): no row of the vocabulary's table can move.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/networks/text_encoder.h"

namespace keepsake::optimize {

using at::Tensor;

// How long each vector is kept. A vector that grows drowns the rest of the text, which people see
// as pictures that are "burnt" and follow no other word.
enum class WordNorm {
    start,  // as long as what it started from
    table,  // as the median of the vocabulary's vectors (OneTrainer's preserve_embedding_norm)
    free,   // as it comes (diffusers' textual_inversion.py)
};

struct WordOptions {
    WordNorm norm = WordNorm::start;
};

// What n vectors start from: the vectors of the tokens `ids` (not empty), repeated in turn or cut
// (sd-scripts' train_textual_inversion.py): (n, D) float32 on the encoder's device. Throws Error
// naming an id that the vocabulary has not.
Tensor word_start(const pipeline::TextEncoder& encoder, const std::vector<std::int64_t>& ids,
                  std::int64_t vectors);

// How long each of the vectors is to be kept: (n) float32; undefined: as it comes.
Tensor word_norms(const pipeline::TextEncoder& encoder, const Tensor& start, WordNorm norm);

// vectors (n, D) *= norms / |vectors|, in place, without a gradient.
void keep_norms(const Tensor& vectors, const Tensor& norms);

// What is said of pictures that have no caption, with {} for the word: the lists of the paper's
// code and of diffusers' textual_inversion.py, 27 for objects or 19 for styles.
const std::vector<std::string>& word_templates(bool style);

// A template with the word in it: at each {}, or A1111's [name]. Throws Error naming a template
// that has no place for it.
std::string fill_template(std::string_view text, std::string_view word);

}  // namespace keepsake::optimize
