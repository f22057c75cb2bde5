// Where on the way from picture to noise a sample is, and what a network's prediction says there.
#pragma once

#include <ATen/ATen.h>

#include "pipeline/sampling/schedule.h"

namespace keepsake::optimize {

using at::Tensor;

// Of a batch: z = alpha x + sigma noise, alpha^2 + sigma^2 = 1. Each (B, 1, 1, 1) float32. A clean
// sample has alpha 1 and sigma 0.
struct NoiseLevel {
    Tensor alpha, sigma;
};

// timesteps: (B) int64 on any device; -1 is clean. Throws Error naming `timesteps` when one is
// outside of the schedule.
NoiseLevel level_at(const pipeline::Schedule& schedule, const Tensor& timesteps);

// Both readings of a prediction: (B, C, h, w).
struct Reading {
    Tensor x, noise;
};

// output: (B, C, h, w), of a network of this type for z at `level`; differentiable in it. An
// epsilon network says nothing of the picture where alpha is 0 (Salimans & Ho, arXiv 2202.00512,
// section 4): what it gives there is not finite.
Reading read_output(pipeline::PredictionType type, const Tensor& output, const Tensor& z,
                    const NoiseLevel& level);
// The reading in which the picture is `x`.
Reading read_picture(const Tensor& x, const Tensor& z, const NoiseLevel& level);

// DDIM's step (Song et al., arXiv 2010.02502, eq. 12 without noise) to another level.
Tensor ddim_step(const Reading& reading, const NoiseLevel& to);

}  // namespace keepsake::optimize
