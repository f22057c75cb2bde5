// What the words' way of stage C needs to know of an edit before its first picture
// (pipeline/model/generate_edits.h): where the words belong.
#pragma once

#include <optional>

#include "editor/session/option_overrides.h"
#include "editor/session/recipe.h"
#include "editor/transfer/full_resolution.h"
#include "optimize/imagic/imagic.h"
#include "pipeline/model/generate_edits.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

struct WordsPull {
    std::optional<Mask> region;  // none: everywhere, or nobody knows
};

// The pull of strength 1: most edits arrive below it (docs/fast-mode.md).
inline constexpr double full_pull = 9;
// Likewise of the quick mode, whose photo is not drawn by a network that learned it and holds on to
// it.
inline constexpr double full_pull_untuned = 7.2;
// The strengths in which something happens.
inline constexpr EtaRange words_strip = {0.2, 1.0, 5};
// What is shown where nothing was judged yet, or the words did not arrive at any strength.
inline constexpr double usual_strength = 0.6;

double full_pull_of(Mode mode);

// Depends on the tuning alone, not on how it is sampled. latents: the square's, (1, C, h, w).
// Throws Cancelled.
WordsPull words_pull(const pipeline::Model& model, const optimize::Tuning& tuning,
                     const Pixels& square, const at::Tensor& latents, Monitor& monitor);

// uncond: of the negative prompt, (1, T, D). size: of the working area.
pipeline::EditTask edit_task(const pipeline::Model& model, const optimize::Tuning& tuning,
                             const WordsPull& words, const at::Tensor& uncond, const Size& size);

}  // namespace keepsake::editor
