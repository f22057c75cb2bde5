// The fast recipe: Imagic's two stages with far fewer steps, and a LoRA in place of all weights.
//
// What it takes from where: a LoRA (Hu et al., arXiv 2106.09685) on attention, feed-forward and
// convolutions, which learns as well as all weights here and is a hundredth of them on disk;
// stratified timesteps and antithetic noise (see Draws), so that a step of four pairs says as much
// as many of the paper's; rates 10 to 100 times the paper's, brought down to zero, which is what
// makes the last steps count; Adam with a shorter memory (beta 0.8, 0.95), for a run of 56 steps.
// The measurements are in docs/fast-mode.md.
#pragma once

#include "optimize/imagic/imagic.h"

namespace keepsake::optimize {

struct TuningOptions {
    StageOptions embedding = paper_embedding_options();
    StageOptions finetune = paper_finetune_options();
    double noise_share = 1;  // stage C, pipeline::SampleOptions
};

// For a first text. The learning rate of stage B is 0, which stands for one that is found by trying
// (imagic/rate_trial.h), because what suits one network overshoots on another; a model that knows
// its own says it in its keepsake.json.
TuningOptions fast_options();

// For another text on a photo whose LoRA and e_opt are there already: they are the start and give
// the photo together, so that stage A has nothing to add and the LoRA learns a few steps more
// (docs/fast-mode.md). first_rate: the rate with which stage B learned that photo.
TuningOptions fast_options_again(double first_rate);

}  // namespace keepsake::optimize
