// Progressive distillation (Salimans & Ho, "Progressive Distillation for Fast Sampling of Diffusion
// Models", arXiv 2202.00512): a student of N steps learns to do in one step of DDIM what its
// teacher does in two.
#pragma once

#include <cstdint>
#include <functional>

#include "optimize/distil/noise_level.h"

namespace keepsake::optimize {

// The timesteps of a sampler of N steps, counted from the clean end: step i goes from `from` to
// `to`, and its teacher is at `middle` in between.
struct StepTimes {
    Tensor from, middle, to;  // (B) int64; `to` is -1 for i = 0, `middle` too where there is none
};

// steps: N; index: (B) int64 in [0, N). The grid is that of DDIM with trailing spacing, T (i + 1) /
// N
// - 1 rounded, which halving keeps: every timestep of N steps is one of 2 N steps. Where N divides
// T it is the sampler's to the last timestep; where it does not, the sampler's steps, of T / N
// rounded down, end one timestep beside it. Throws Error naming `steps` when N is not from 1 to T
// / 2.
StepTimes step_times(const pipeline::Schedule& schedule, std::int64_t steps, const Tensor& index);

// What the teacher says at z, (B, C, h, w), at timesteps (B): the network's raw output, guided
// where it is.
using Predictor = std::function<Tensor(const Tensor& z, const Tensor& timesteps)>;

// Where two steps of the teacher lead from z at times.from: algorithm 2. No gradients.
Tensor two_steps(const pipeline::Schedule& schedule, const Predictor& teacher, const Tensor& z,
                 const StepTimes& times);

// The picture x for which one step of DDIM from z at `from` lands on `landed` at `to`: appendix G's
// equation, (landed - r z) / (alpha_to - r alpha_from), r = sigma_to / sigma_from.
Tensor target_picture(const Tensor& z, const Tensor& landed, const NoiseLevel& from,
                      const NoiseLevel& to);

// Section 4. snr: |noise - noise~|^2. truncated_snr: the larger of |x - x~|^2 and |noise -
// noise~|^2 of a sample, so that nothing vanishes where all is noise. snr_plus_one: |v - v~|^2, the
// sum of both weightings.
enum class DistilWeight { snr, truncated_snr, snr_plus_one };

// The mean over the samples, each the mean over its numbers: () float32, differentiable in the
// student's reading. target: x~, (B, C, h, w).
Tensor distil_loss(DistilWeight weight, const Reading& student, const Tensor& target,
                   const Tensor& z, const NoiseLevel& level);

}  // namespace keepsake::optimize
