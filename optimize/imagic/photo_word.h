// Stage A with a word in place of e_opt, for files that give the same edit in other programs.
//
// e_opt lies behind the text encoder, where no other program's file can put it. The vectors of a
// word lie before it, and embedding files have those (Gal et al., arXiv 2208.01618). So as many
// vectors as the target text has tokens start as those tokens' own, which makes the word mean the
// target text, token for token; then they learn as e_opt would.
#pragma once

#include "optimize/imagic/imagic.h"
#include "pipeline/networks/text_encoder.h"

namespace keepsake::optimize {

struct PhotoWord {
    const pipeline::TextEncoder& encoder;  // the model's, never changed
    Tensor ids;    // (1, T) int64: the word alone; its vectors' ids are those from
                   // encoder.vocabulary_size() on
    Tensor start;  // (n, D) float32, on the encoder's device: the target text's tokens
};

// Runs what is left of stage A with `tuning.word` as what learns, and leaves the word's embedding
// in `tuning.optimised_embedding`. options.learning_rate is that of e_opt: the word's is smaller by
// what the vectors are shorter than the text's embedding. Otherwise as optimise_embedding.
void optimise_word(const TuningTask& task, const PhotoWord& word, const StageOptions& options,
                   Tuning& tuning, const StageControls& controls = {});

}  // namespace keepsake::optimize
