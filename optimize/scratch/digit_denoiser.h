// The U-Net of Stable Diffusion at its smallest: it learns the noise in digits and draws new ones,
// with and without being told which.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "optimize/scratch/digits.h"
#include "optimize/training/loop.h"
#include "pipeline/networks/unet.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::optimize {

// What stands in the place of a text's embedding: 16 numbers, of which the first ten are the class,
// one-hot. No class: all zero.
inline constexpr std::int64_t class_numbers = 16;
Tensor class_embedding(const Tensor& labels);   // (B) int64 -> (B, 1, 16) float32
Tensor no_class_embedding(std::int64_t count);  // (count, 1, 16)

pipeline::UNetConfig digit_unet_config();
// DDPM's (Ho et al., arXiv 2006.11239): 1000 steps, betas in a line from 1e-4; to 0.012 in place of
// 0.02, so that 5 % of the digit are left at the last step: a small network's error in the noise is
// divided by that, and with less of it one drawing in five went astray.
pipeline::Schedule digit_schedule();

struct DigitDenoiser {
    pipeline::UNet unet;
    pipeline::Schedule schedule = digit_schedule();
};
DigitDenoiser fresh_denoiser(std::uint64_t seed);

// The network is told no class at all, or each digit's, but for one in five: so it learns both, and
// guidance has what it needs (Ho & Salimans, arXiv 2207.12598, algorithm 1).
enum class ClassLesson { hidden, told };
inline constexpr double hidden_share = 0.2;

StageOptions denoiser_options();

struct DenoiserTask {
    const Digits& digits;
    std::uint64_t seed = 0;
    Monitor* monitor = nullptr;  // is told "noise" or "classes"
};
// Goes on from what the denoiser knows. DDPM eq. 14; the weights are averages over the last steps
// at its end (optimize/training/ema.h). Returns the losses.
StageLosses train_denoiser(const DenoiserTask& task, ClassLesson lesson,
                           const StageOptions& options, DigitDenoiser& denoiser);

struct DrawingOptions {
    int steps = 25;  // of DDIM (Song et al., arXiv 2010.02502)
    double guidance =
        1;  // w of noise = without + w (with - without); 1: as it learned; 0: no class
    std::uint64_t seed = 0;
    Monitor* monitor = nullptr;  // is told "draw"
    // After each call of the network, with its index and the picture then.
    std::function<void(std::size_t index, const Tensor& pictures)> on_step;
};
// From pure noise, one a label, (B) int64; or `count` of no class. (B, 1, 8, 8), about [-1, 1].
Tensor draw_digits(const DigitDenoiser& denoiser, const Tensor& labels,
                   const DrawingOptions& options);
Tensor draw_any_digits(const DigitDenoiser& denoiser, std::int64_t count,
                       const DrawingOptions& options);

}  // namespace keepsake::optimize
