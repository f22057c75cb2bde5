// What a student of fewer calls learns: the three distillations as recipes of the training loop.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "optimize/distil/consistency.h"
#include "optimize/distil/progressive.h"
#include "optimize/training/loop.h"
#include "pipeline/networks/lora.h"

namespace keepsake::optimize {

// What the student sees, N pictures and M texts: all on the network's device, float32.
struct DistilSet {
    Tensor latents;     // (N, C, h, w), scaled
    Tensor embeddings;  // (M, T, D), of the texts
    Tensor uncond;      // (1, T, D), of the text that guidance leads away from
    // (P, 2) int64: which picture is seen with which text, each pair as often as it counts.
    // Undefined: each picture with the text in its place.
    Tensor pairs = {};
};

// The guidance scales that are taught, each sample's drawn evenly between them; both the same: that
// one.
struct GuidanceRange {
    double low = 1, high = 8;
};

// References: all of it outlives the recipe.
struct DistilTask {
    const pipeline::UNet& teacher;  // never changed
    const pipeline::Schedule& schedule;
    const DistilSet& set;
    GuidanceRange guidance;
    std::uint64_t seed = 0;  // draws depend on it, the recipe and the step alone
};

// Salimans & Ho: 50,000 updates a halving on CIFAR, at 1e-4 for the larger model, down to 0 in
// each. As many as 2000 do on a small network.
StageOptions progressive_options();
StageOptions guidance_options();
// diffusers' script's recommended run: 1000 steps of 12 at 1e-4, rank 64.
StageOptions consistency_options();

// The same network, its own copy, with an input for guidance that changes nothing yet
// (time_cond_proj_dim, pipeline/networks/guidance_embedding.h). What takes it already is copied.
pipeline::UNet with_guidance_input(const pipeline::UNet& unet, std::int64_t dim = 256);

// The layers on which train_lcm_distill_lora_sd puts its LoRA: those of pipeline::lora_layers and
// what each resnet makes of the timestep (time_emb_proj).
std::vector<std::string> consistency_layers(const pipeline::UNet& unet);
// A LoRA on them that changes nothing yet, as pipeline::start_loras starts it. Throws Error naming
// a rank that is not positive.
pipeline::LoraSet start_consistency_loras(const pipeline::UNet& unet, std::int64_t rank,
                                          at::Generator generator);

// What a prediction of `unet` is at a guidance of w (B), guidance_scale - 1: told, where the
// network takes it, else by a second call with uncond (Ho & Salimans, arXiv 2207.12598, eq. 6),
// which is left out where all of w is 0. A guided prediction reads as its readings guided, all
// being linear.
Tensor guided_output(const pipeline::UNet& unet, const Tensor& z, const Tensor& timesteps,
                     const Tensor& cond, const Tensor& uncond, const Tensor& w);

// Each learns the weights of `student` (of `loras`, beside the teacher's) and is evaluated on a
// fixed set of draws. `student` is a network of one call a step: told its w where it takes
// guidance.

// Algorithm 2 of Salimans & Ho: of `steps` steps, from a teacher of twice as many. `teacher` is
// guided as guided_output has it.
TrainingRecipe progressive_recipe(const DistilTask& task, const pipeline::UNet& student,
                                  std::int64_t steps, const StageOptions& options,
                                  DistilWeight weight = DistilWeight::truncated_snr);

// Stage one of Meng et al. (arXiv 2210.03142, section 3.1): the guided prediction in one call, at
// every timestep. Throws Error where the student does not take guidance.
TrainingRecipe guidance_recipe(const DistilTask& task, const pipeline::UNet& student,
                               const StageOptions& options,
                               DistilWeight weight = DistilWeight::truncated_snr);

// LCM-LoRA: `student` is the teacher with `loras`. Its own prediction without a gradient is the
// target.
TrainingRecipe consistency_recipe(const DistilTask& task, const pipeline::UNet& student,
                                  const pipeline::LoraSet& loras, const StageOptions& options,
                                  const ConsistencyOptions& consistency = {});

// LCM of all weights, as train_lcm_distill_sd: the target is the prediction of `average`, the same
// network, whose weights follow the student's between the steps (decay 0.95 there).
TrainingRecipe consistency_recipe(const DistilTask& task, const pipeline::UNet& student,
                                  const pipeline::UNet& average, const StageOptions& options,
                                  const ConsistencyOptions& consistency = {});

}  // namespace keepsake::optimize
