// The loss that a diffusion model learns by, on samples that are drawn.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "optimize/training/draws.h"
#include "pipeline/networks/unet.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::optimize {

// What is denoised, and with which words.
struct DenoisingTask {
    const pipeline::UNet& unet;
    const pipeline::Schedule& schedule;
    Tensor latents;    // (B, C, h, w) or (1, C, h, w) for all, scaled, float32
    Tensor embedding;  // (B, T, D) or (1, T, D) for all: the text encoder's
};

// Mean squared error of the network's prediction (epsilon, v or x0, as it was trained) at the drawn
// pairs, over all their numbers: () float32, differentiable in the weights and the embedding. DDPM
// (Ho et al., arXiv 2006.11239), eq. 14, where the prediction is epsilon.
Tensor denoising_loss(const DenoisingTask& task, const Draw& at,
                      pipeline::Activations activations = pipeline::Activations::kept);

// The samples whose activations are in memory at once: many for small latents, one for those of 512
// pixels and up. A step of several samples then takes no more memory than a step of one.
std::int64_t samples_at_once(const Tensor& latents);

// The mean of denoising_loss over evaluation_pairs(), of latents (1, C, h, w): no gradients.
double evaluation_loss(const DenoisingTask& task);

}  // namespace keepsake::optimize
