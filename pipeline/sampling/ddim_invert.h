// DDIM inversion: from a picture back to the latents that sample to it.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/sampling/samplers.h"

namespace keepsake::pipeline {

struct InversionOptions {
    // Model calls a step. One is what DDIM inversion usually means: the noise of a step's end is
    // taken to be what the model says of its beginning. More are rounds of a fixed point (Pan et
    // al., arXiv 2309.04907), at which a step of DDIM leads back exactly.
    int rounds = 1;
    // The first call is made where the noise of the step before leads, not at the beginning of the
    // step: as good as three rounds from there, at a third of the cost (docs/fast-mode.md).
    bool extrapolate = true;
    Monitor* monitor = nullptr;  // reports "inversion", in model calls
};

// The ODE of Song et al., arXiv 2010.02502, eq. 14, run backwards from a picture to noise by steps
// of Euler's method (eq. 13, which is DDIM's own step). latents: (B, C, h, w) float32, a picture's
// scaled latents. timesteps: ascending, the noise levels to go through. Returns the latents at the
// level of the last one, alpha x0 + sigma noise with alpha^2 + sigma^2 = 1 (to_sampler_scale makes
// them a sampler's start). Records no gradients. Throws Error naming `timesteps` when they do not
// ascend within the schedule, and Cancelled.
Tensor ddim_invert(const Denoiser& denoise, const Schedule& schedule,
                   const std::vector<std::int64_t>& timesteps, const Tensor& latents,
                   const InversionOptions& options = {});

// Levels for ddim_invert that end where the sampler begins: `count` even parts of its first
// timestep, or, where there are fewer than these, parts that grow evenly (the "quad" sequence of
// Song et al., appendix D.2), since the noise that the model sees changes most near the picture
// (docs/few-steps.md); fewer where whole timesteps coincide. They follow no sampler's own steps,
// since what they approach is the same for all of them.
inline constexpr int few_inversion_steps = 10;
std::vector<std::int64_t> inversion_timesteps(const Timetable& timetable, int count);

}  // namespace keepsake::pipeline
