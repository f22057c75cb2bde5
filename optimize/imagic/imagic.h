// Imagic (Kawar et al., arXiv 2210.09276): stages A and B, which learn, and the interpolation of C.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "optimize/training/checkpointing.h"
#include "optimize/training/stage_losses.h"
#include "optimize/training/stage_options.h"
#include "pipeline/error.h"
#include "pipeline/networks/lora.h"
#include "pipeline/networks/unet.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::optimize {

// Stage A, as the paper's Stable Diffusion recipe has it (section 4, implementation details).
StageOptions paper_embedding_options();
// Stage B, likewise: all weights learn (rank 0).
StageOptions paper_finetune_options();

// A tuning, finished or under way. What `edit` saves and goes on from.
struct Tuning {
    Tensor target_embedding;     // (1, T, D) float32: the target text's
    Tensor optimised_embedding;  // (1, T, D) float32: e_opt so far
    Tensor word;  // (n, D) float32: its vectors, where a word learns in e_opt's place
                  // (imagic/photo_word.h); else undefined
    std::optional<pipeline::UNet> unet;  // the tuned network; none before stage B
    pipeline::LoraSet loras;             // what learned of it, where its rank is not 0; else empty
    std::int64_t embedding_steps = 0;    // steps done
    std::int64_t finetune_steps = 0;
    TensorMap adam;  // the state of the stage under way; empty between stages
    StageLosses embedding_losses, finetune_losses;
};

// What both stages are given. All tensors on the network's device.
struct TuningTask {
    const pipeline::UNet& unet;  // the pretrained network; never changed
    const pipeline::Schedule& schedule;
    Tensor latents;          // (1, C, h, w) the photo's scaled latents, encoded once
    std::uint64_t seed = 0;  // noise and timesteps of step k of a stage depend on (seed, stage, k)
                             // alone, so that a resumed run draws what an unbroken one would
};

struct StageControls {
    Monitor* monitor = nullptr;  // reports "embedding" or "finetune", with the running loss
    // Called after each step with the tuning as it is then; the moment to save a checkpoint. What
    // it needs later it must copy.
    std::function<void(const Tuning&)> after_step;
    Checkpointing checkpointing = Checkpointing::automatic;
    // One line for the user, when it is chosen that activations are recomputed.
    std::function<void(const std::string&)> warn;
};

// Runs what is left of stage A in `tuning` (equation 2 of the paper, with the loss of the model's
// prediction type). On Cancelled, `tuning` holds the last finished step, Adam's state included.
void optimise_embedding(const TuningTask& task, const StageOptions& options, Tuning& tuning,
                        const StageControls& controls = {});

// Runs what is left of stage B: the embedding fixed, all the network's weights learn (section 3.2),
// or a LoRA beside them. Where `tuning` brings a network or a LoRA of an earlier tuning, it goes on
// from that.
void fine_tune(const TuningTask& task, const StageOptions& options, Tuning& tuning,
               const StageControls& controls = {});

// Equation 3: eta * target + (1 - eta) * optimised, over the whole sequence of token embeddings.
Tensor interpolate(const Tensor& target, const Tensor& optimised, double eta);

// The mean loss of `unet` with `embedding` on evaluation_pairs() (training/draws.h).
double evaluation_loss(const pipeline::UNet& unet, const pipeline::Schedule& schedule,
                       const Tensor& latents, const Tensor& embedding);

}  // namespace keepsake::optimize
