// What a sample counts for in the loss.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "pipeline/sampling/schedule.h"

namespace keepsake::optimize {

using at::Tensor;

// Signal to noise a_t / (1 - a_t) at each of `timesteps` (B) int64: (B) float32 on the timesteps'
// device, in diffusers' order of rounding (training_utils.compute_snr).
Tensor signal_to_noise(const pipeline::Schedule& schedule, const Tensor& timesteps);

// Min-SNR (Hang et al., arXiv 2303.09556): min(SNR, gamma) / SNR for networks that predict epsilon,
// / (SNR + 1) for v, and min(SNR, gamma) itself for x0. (B) float32. gamma: 5 in the paper. Throws
// Error naming a gamma that is not positive, and where epsilon is asked for at a timestep without
// signal (zero terminal SNR), at which there is no such weight.
Tensor min_snr_weights(const pipeline::Schedule& schedule, const Tensor& timesteps, double gamma);

// mean_i(weight_i * mean((prediction_i - target_i)^2)), the inner mean over all but the first
// dimension: () float32. prediction, target: (B, ...); weights: (B), or undefined: all 1. In this
// form min-SNR and the prior of DreamBooth are both a weight a sample.
Tensor weighted_loss(const Tensor& prediction, const Tensor& target, const Tensor& weights);

// How pictures of the class (prior preservation, Ruiz et al., arXiv 2208.12242) count beside those
// of the subject, in a batch that holds as many of each. diffusers: mean over the subject's
// pictures + weight x mean over the class's. kohya: the mean over all, each of the class's times
// weight; that is half of the other. Learning rates are published for both.
enum class PriorForm { diffusers, kohya };

// The weight a sample that makes weighted_loss() the one or the other: (B) float32. is_prior: (B)
// bool.
Tensor prior_weights(const Tensor& is_prior, PriorForm form, double weight);

}  // namespace keepsake::optimize
