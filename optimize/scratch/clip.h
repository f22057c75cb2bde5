// CLIP from nothing: texts and pictures that belong together come near to each other (Radford et
// al., arXiv 2103.00020).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "optimize/training/loop.h"
#include "optimize/training/schedules.h"
#include "pipeline/model/clip.h"

namespace keepsake::optimize {

// Figure 3 of the paper: the mean of the cross-entropies of rows and of columns of exp(logit_scale)
// times the cosines, the pairs on the diagonal. image, text: (B, D), of one pair a row;
// logit_scale:
// (). Returns () float32, differentiable in all three.
Tensor contrastive_loss(const Tensor& image, const Tensor& text, const Tensor& logit_scale);

// The factor is at most 100: after each step (section 2.5 of the paper; open_clip).
inline constexpr double most_logit_scale = 4.605170185988092;  // ln 100

struct ClipOptions {
    StageOptions stage;         // steps, batch size, Adam; not its rates
    ScheduleOptions schedule;   // the rate
    double weight_decay = 0.1;  // of matrices and convolutions alone; the paper: 0.2
    double max_gradient_norm = 1;
};
// 2000 steps of 64; betas 0.9 and 0.98, epsilon 1e-6 (the paper's ViTs), rate 5e-4 (likewise),
// cosine after 100 steps of warm-up.
ClipOptions clip_options();

double rate_of(const ClipOptions& options, std::int64_t step);

// Weights from nothing, with the standard deviations of openai's code (CLIP.initialize_parameters)
// and a factor of 1/0.07.
pipeline::ClipNetwork fresh_clip(const pipeline::ClipConfig& config, std::uint64_t seed);

struct ClipTask {
    // (N, 3, S, S) uint8: the squares as the image encoder takes them.
    Tensor pictures;
    Tensor rows;  // (M) int64: which of them are learned from
    std::vector<std::vector<Tensor>>
        tokens;  // of each picture's captions, (1, T) int64; one is drawn
    pipeline::ClipPreprocessing preprocessing;
    std::uint64_t seed = 0;
};

struct LearnedClip {
    pipeline::ClipNetwork network;
    std::int64_t steps = 0;
    TensorMap optimiser;
    StageLosses losses;
};

struct ClipControls {
    Monitor* monitor = nullptr;        // reports "clip" with the running loss
    std::function<void()> after_step;  // as TrainingControls has it
    Ranks ranks;                       // likewise
};

// Runs what is left of options.stage.steps. All pairs of a step are compared with each other, so
// its batch is never taken in parts; of several ranks each computes the features of its own pairs,
// gathers those of the others, and the loss is that of all (open_clip's with gathered features, but
// with the exact gradient). Throws Error as train() does.
void train_clip(const ClipTask& task, const ClipOptions& options, LearnedClip& learned,
                const ClipControls& controls = {});

// uint8 (B, 3, S, S) -> as the image encoder takes them, float32.
Tensor clip_values(const Tensor& pictures, const pipeline::ClipPreprocessing& how);

}  // namespace keepsake::optimize
