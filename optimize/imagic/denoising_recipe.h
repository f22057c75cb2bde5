// What Imagic's stages say to the training loop.
#pragma once

#include <functional>

#include "optimize/imagic/imagic.h"
#include "optimize/training/draws.h"
#include "optimize/training/loop.h"

namespace keepsake::optimize {

// Some of what `unet` or `embedding` is made of learns to denoise the photo (equation 2 of the
// paper). embedding: (1, T, D) float32, asked for whenever a loss is computed. `unet` must outlive
// the recipe. Name and what learns are the caller's.
TrainingRecipe denoising_recipe(const TuningTask& task, const StageOptions& options, Stream stream,
                                const pipeline::UNet& unet, std::function<Tensor()> embedding);

TrainingControls training_controls(const StageControls& controls, const Tuning& tuning);

}  // namespace keepsake::optimize
