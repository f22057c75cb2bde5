// An autoencoder from nothing, or on from one that exists: the first half of latent diffusion
// (Rombach et al., arXiv 2112.10752, section 3.1).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "optimize/scratch/discriminator.h"
#include "optimize/training/checkpointing.h"
#include "optimize/training/ema.h"
#include "optimize/training/loop.h"
#include "optimize/training/schedules.h"
#include "pipeline/networks/vae.h"

namespace keepsake::optimize {

struct VaeOptions {
    StageOptions stage;        // steps, batch size; not its rates
    ScheduleOptions schedule;  // the rate; its steps are those of `stage`
    double weight_decay = 0;
    double max_gradient_norm = 1;
    // Weights beside the mean absolute error of a pixel's values.
    double structure = 0.5;  // of 1 - similarity_at_scales: what l1 leaves blurred
    // Of the Kullback-Leibler divergence from the standard normal, both as sums over a picture
    // (latent-diffusion's configs): latents keep near to 0 without being drowned in noise.
    double kl = 1e-6;
    AdversarialOptions adversarial;
    std::optional<EmaOptions> ema = EmaOptions{};
};
// For small autoencoders on some thousand pictures; a start, not from long runs: 5000 steps of 16,
// rate 4e-4 (latent-diffusion: 4.5e-6 x batch, with a perceptual loss), cosine after 100 steps of
// warm-up.
VaeOptions vae_options();

double rate_of(const VaeOptions& options, std::int64_t step);

// The loss of pictures (B, 3, H, W) in [-1, 1] that were decoded from a sample of `latents`:
// () float32, differentiable.
Tensor vae_loss(const Tensor& pictures, const Tensor& decoded,
                const pipeline::LatentDistribution& latents, const VaeOptions& options);

struct VaeTask {
    // (N, 3, S, S) uint8, S a multiple of what the autoencoder halves to; may be mapped from a
    // file.
    Tensor pictures;
    Tensor rows;      // (M) int64: which of them are learned from
    Tensor held_out;  // (K, 3, S, S) uint8: to measure by. May have no rows
    bool mirror = false;
    std::uint64_t seed = 0;
};

// How well held-out pictures come back, as means over them.
struct VaeQuality {
    std::int64_t step = 0;  // steps done
    double psnr = 0;        // dB
    double ssim = 0;
    double absolute = 0;  // of values in [-1, 1]
};

struct LearnedVae {
    pipeline::Vae vae;       // as it is now
    std::int64_t steps = 0;  // done
    TensorMap optimiser;
    TensorMap averages;  // of ema, by the autoencoder's names
    StageLosses losses;
    std::vector<VaeQuality> evaluations;
    std::optional<Discriminator> discriminator = {};  // where options.adversarial has a weight
};

// All that learns: the autoencoder's tensors, and the discriminator's as "discriminator.NAME".
TensorMap learning(const LearnedVae& learned);

// The autoencoder to use: of the averages where they are kept.
pipeline::Vae averaged(const LearnedVae& learned);

struct VaeControls {
    Monitor* monitor = nullptr;        // reports "vae" with the running loss
    std::function<void()> after_step;  // as TrainingControls has it
    std::int64_t evaluate_every = 0;   // steps; 0: at the end alone
    std::function<void()> after_evaluation;
    Ranks ranks;  // as TrainingControls has them: rank 0 alone keeps averages and measures
};

// Runs what is left of options.stage.steps. A step's adaptive share (discriminator.h) is of the
// part of it that is computed at once. On Cancelled, `learned` holds the last finished step. Throws
// Error as train() does, and naming pictures that do not fit.
void train_vae(const VaeTask& task, const VaeOptions& options, LearnedVae& learned,
               const VaeControls& controls = {});

// Of the mean of each picture's latents; no gradients. pictures as in VaeTask, at least one.
VaeQuality measure_vae(const pipeline::Vae& vae, const Tensor& pictures);

// What the latents are to be multiplied with so that they have standard deviation 1 (Rombach et
// al., section 4.3.2 and appendix G): 1 / that of samples of up to 512 pictures, all places and
// channels together.
double latent_scale(const pipeline::Vae& vae, const Tensor& pictures, std::uint64_t seed);

// uint8 -> float32 in [-1, 1].
Tensor picture_values(const Tensor& pictures);

}  // namespace keepsake::optimize
