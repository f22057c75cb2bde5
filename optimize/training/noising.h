// How pictures are made noisy to learn from: noise with an offset, input perturbation.
#pragma once

#include <ATen/ATen.h>

#include "optimize/training/draws.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::optimize {

// 0: off.
struct NoisingOptions {
    double offset = 0;        // noise offset (Guttenberg 2023): of a whole channel, 0.05 to 0.1
    double perturbation = 0;  // input perturbation (Ning et al., arXiv 2301.11706), 0.1 there
};

// What these take beside (timestep, noise): standard normal, float32.
struct NoisingDraw {
    Draw pairs;           // of B samples
    Tensor offset;        // (B, C, 1, 1), undefined where the option is off
    Tensor perturbation;  // (B, C, h, w), likewise
};

// That of one step: `pairs` as draw_pairs() draws them, and the rest from generators of the step's
// own, so that an option that is on changes nothing in the pairs.
NoisingDraw draw_noising(const DrawRequest& request, const NoisingOptions& options,
                         std::int64_t step);

struct NoisyPictures {
    Tensor noisy;   // (B, C, h, w): what the network sees
    Tensor target;  // what it should say
};

// diffusers' train_text_to_image.py, in its order: noise + offset * draw; the network sees that
// plus perturbation * draw; the target knows of the offset and not of the perturbation. x0: (B, C,
// h, w) float32.
NoisyPictures make_noisy(const pipeline::Schedule& schedule, const Tensor& x0,
                         const NoisingDraw& draw, const NoisingOptions& options);

}  // namespace keepsake::optimize
