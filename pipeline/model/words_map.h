// Where in a photo something is that the words are about, by the network's own attention to them.
#pragma once

#include <vector>

#include "pipeline/error.h"
#include "pipeline/networks/unet.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::pipeline {

// Chosen on the forty edits of tests/bench (docs/fast-mode.md).
struct WordsMapOptions {
    std::vector<double> strengths = {0.15, 0.3, 0.5};  // of the noise: shares of the timesteps
    int samples = 8;                                   // noises that are averaged over at each
    std::uint64_t seed = 0;                            // of the noises, drawn on CPU
};

struct WordsMapInput {
    Tensor latents;  // (1, C, h, w) float32, the photo's, scaled
    Tensor text;     // (1, T, D): the embedding of the words, its first token the start of the text
};

// -log of the share of the attention that rests on the start of the text, averaged over heads,
// noises and strengths (UNet::text_shares): large where the picture looks at the words, whichever
// they are, near 0 where they have nothing to say. A causal text encoder's first token knows no
// word, so attention rests there by default (the sink of Xiao et al., arXiv 2309.17453; of maps of
// words in diffusion models: Tang et al., arXiv 2210.04885, Hertz et al., arXiv 2208.01626). No
// token has to be chosen. (h', w') float32 on CPU. Throws Error naming an input or an option that
// does not fit, and Cancelled; reports one step per noise.
Tensor words_map(const UNet& unet, const Schedule& schedule, const WordsMapInput& input,
                 const WordsMapOptions& options, Monitor& monitor);

}  // namespace keepsake::pipeline
