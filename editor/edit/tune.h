// What is left of a session's tuning, done: what `keepsake edit` and the window share.
#pragma once

#include <functional>
#include <string>

#include "editor/photo/pixels.h"
#include "editor/session/session.h"
#include "optimize/imagic/imagic.h"
#include "pipeline/error.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// Wall time of each stage in this run, in seconds; 0 for what was not done.
struct StageSeconds {
    double load = 0, embedding = 0, finetune = 0, render = 0;
};

struct TuneControls {
    Monitor* monitor = nullptr;  // "embedding", "rate" (where it is found by trying), "finetune"
    double checkpoint_seconds = 30;  // at least this long between two checkpoints
    // After each step and its checkpoint, with the tuning as it is then: for a preview or a plot of
    // the losses. What it holds is changed by the next step.
    std::function<void(Stage stage, const optimize::Tuning& tuning)> after_step;
    optimize::Checkpointing checkpointing = optimize::StageControls{}.checkpointing;
    // One line for the user, once: that activations are recomputed for want of memory.
    std::function<void(const std::string& text)> warn;
};

// A tuning of nothing: the pretrained network, with the empty text as the photo's embedding.
optimize::Tuning untuned(const pipeline::Model& model, const std::string& prompt);

// Imagic's stages A and B (of modes that learn) as far as the session has not done them. square:
// the working square of the session's photo. Adds the time of each stage to `seconds`. Throws Error
// (the session keeps what was reached), and Cancelled after the session has been saved.
optimize::Tuning tune(const Session& session, const pipeline::Model& model, const Pixels& square,
                      const TuneControls& controls, StageSeconds& seconds);

}  // namespace keepsake::editor
