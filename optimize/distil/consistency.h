// Latent consistency distillation (Luo et al., arXiv 2310.04378) as diffusers' script
// train_lcm_distill_lora_sd has it: the student says of two neighbouring points of the teacher's
// guided way the same picture.
#pragma once

#include <cstdint>
#include <functional>

#include "optimize/distil/noise_level.h"

namespace keepsake::optimize {

// The one home of these defaults.
struct ConsistencyOptions {
    std::int64_t grid = 50;          // timesteps of the teacher's DDIM on which the student learns
    double timestep_scaling = 10.0;  // how fast the boundary condition leaves timestep 0
    double sigma_data = 0.5;
    double huber = 1e-3;  // c of the pseudo-Huber loss
};

// Neighbours on the grid. index: (B) int64 in [0, grid). from: T / grid (i + 1) - 1; to: T / grid
// earlier, not below 0 (the network is asked there); `landing`: the timestep whose alphas_cumprod
// DDIM lands on, the grid's previous one, 0 for the first.
struct Neighbours {
    Tensor from, to, landing;  // (B) int64
};
Neighbours neighbours(const pipeline::Schedule& schedule, const ConsistencyOptions& options,
                      const Tensor& index);

// f = c_skip z + c_out x, which is z at timestep 0 (eq. 9). x: the picture that the network sees.
Tensor consistency(const Tensor& x, const Tensor& z, const Tensor& timesteps,
                   const ConsistencyOptions& options);

// Guidance of both readings, cond + w (cond - uncond): w (B, 1, 1, 1) is guidance_scale - 1 of what
// samplers call guidance_scale.
Reading guided(const Reading& cond, const Reading& uncond, const Tensor& w);

// sqrt(d^2 + c^2) - c, the mean over all numbers: () float32.
Tensor pseudo_huber(const Tensor& found, const Tensor& wanted, double c);

}  // namespace keepsake::optimize
