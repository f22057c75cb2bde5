// The one training loop (house rule 4): draw, loss, backward, update; with progress, checkpoints,
// resuming, and activations recomputed where memory is short.
//
// A recipe is a TrainingRecipe that is filled in: what learns, and how the loss of some samples of
// a step is computed. optimize/imagic/imagic.cpp has the two shortest.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>

#include "optimize/training/checkpointing.h"
#include "optimize/training/ranks.h"
#include "optimize/training/stage_losses.h"
#include "optimize/training/stage_options.h"
#include "pipeline/error.h"

namespace keepsake::optimize {

// The samples of one step, drawn.
struct StepSamples {
    std::int64_t count = 0;
    // The mean loss of the samples from `begin` up to, and without, `end`: () float32,
    // differentiable in what learns. The loop calls it for parts of a step that fit into memory,
    // one after the other, and adds their gradients up by their shares.
    std::function<Tensor(std::int64_t begin, std::int64_t end, pipeline::Activations activations)>
        loss;
    // The samples are compared with each other: the loss is one of all of them, and the same on
    // every rank. `loss` is then called once, by each rank with its part (which may be empty), and
    // is differentiable through that part alone.
    bool together = false;
};

struct TrainingRecipe {
    std::string name;  // one word, for progress and errors: "embedding"
    // Leaf tensors by name; the names key the optimiser's state. They require a gradient while the
    // loop runs and are plain tensors before and after, whatever happens.
    TensorMap learns;
    // Must depend on the step alone (training/draws.h), which is counted from 0: so a training that
    // was stopped goes on with the same numbers.
    std::function<StepSamples(std::int64_t step)> draw;
    // The learning rate of a step. None: that of the stage's options (training/rates.h).
    std::function<double(std::int64_t step)> rate;
    // Decoupled from the gradients, as AdamW's (training/clipping.h). 0: plain Adam.
    double weight_decay = 0;
    // Which of what learns decays, by name. None: all of it.
    std::function<bool(const std::string& name)> decays;
    double max_gradient_norm = 0;      // training/clipping.h; 0: gradients are not clipped
    std::int64_t samples_at_once = 1;  // the most of a step that are computed together
    // Bytes of activations that `samples` keep for their backward pass
    // (pipeline/networks/activation_bytes.h). None: nothing is ever recomputed automatically.
    std::function<std::int64_t(std::int64_t samples)> activation_bytes;
    at::Device device = at::kCPU;  // whose free memory decides
    // The loss on a fixed set (training/draws.h, evaluation_pairs). None: none is taken.
    std::function<double()> evaluate;
};

// Where a training stands, beside what it learns: with both it can be gone on from. References, so
// that each recipe keeps these where its files want them.
struct TrainingState {
    std::int64_t& steps;   // done
    TensorMap& optimiser;  // its state by name: handles, which follow it; empty before the first
                           // step and from the last one on
    StageLosses& losses;
};

struct TrainingControls {
    Monitor* monitor = nullptr;  // reports the recipe's name, with the running loss
    // Called after each step, when the state holds it: the moment to save a checkpoint. What it
    // needs later it must copy. It may throw: the state stands as it is then.
    std::function<void()> after_step;
    Checkpointing checkpointing = Checkpointing::automatic;
    // One line for the user, when it is chosen that activations are recomputed.
    std::function<void(const std::string&)> warn;
    // Who trains together. Each rank draws a whole step and computes its part of it; what learns
    // and the state are rank 0's as it begins. Rank 0 alone evaluates.
    Ranks ranks;
};

// A loss that is infinite or no number, mostly by a learning rate that is too high.
struct NotFinite : Error {
    using Error::Error;
};

// Runs what is left of `options.steps`. On Cancelled, which is thrown on all ranks at the same step
// when one of them is asked to stop, what learns and the state hold the last finished step. Throws
// NotFinite naming the recipe and the step, and Error naming the tensor when the optimiser's state
// does not fit.
void train(const TrainingRecipe& recipe, const StageOptions& options, TrainingState state,
           const TrainingControls& controls = {});

}  // namespace keepsake::optimize
