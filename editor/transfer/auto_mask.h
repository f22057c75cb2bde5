// Where an edit takes place, found from the model's own predictions.
#pragma once

#include "editor/transfer/full_resolution.h"
#include "optimize/imagic/imagic.h"
#include "pipeline/model/edit_mask.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// Chosen on hand-drawn masks of nine photos: tests/bench/README.md, "The automatic mask".
struct AutoMaskOptions {
    double model_strength = 0.85;  // of the noise, for the model's own network
    double tuned_strength = 0.7;   // for the tuned one
    int samples = 10;              // noises of each (DiffEdit, section 3.2: n = 10)
    std::uint64_t seed = 0;
};

// The DiffEdit mask of a tuned session: where predictions for the target text's embedding differ
// from those for no text, in the mean of the model's own network and the tuned one; brought to the
// edges of `square`, the working square, whose size it has. Throws Cancelled.
Mask auto_mask(const pipeline::Model& model, const optimize::Tuning& tuning, const Pixels& square,
               const AutoMaskOptions& options, Monitor& monitor);

}  // namespace keepsake::editor
