// Where an edit takes place, found from the model's own predictions.
#pragma once

#include "editor/full_resolution.h"
#include "optimize/imagic.h"
#include "pipeline/edit_mask.h"
#include "pipeline/model.h"

namespace keepsake::editor {

// The DiffEdit mask of a tuned session: where the tuned network predicts otherwise for the target
// text's embedding than for the optimised one, which stands for the photo; brought to the edges of
// `square`, the working square, whose size it has. Throws Cancelled.
Mask auto_mask(const pipeline::Model& model, const optimize::Tuning& tuning, const Pixels& square,
               const pipeline::EditMaskOptions& options, Monitor& monitor);

}  // namespace keepsake::editor
