// A preview: the same edit in few steps, for who looks and does not keep (docs/few-steps.md).
#pragma once

#include "editor/session/option_overrides.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {

// A quarter of the bundled model's. What else was tried: docs/few-steps.md.
inline constexpr int preview_steps = 5;
inline constexpr int preview_inversion_steps = 6;

// How what `sample` draws is previewed: by UniPC (Zhao et al., arXiv 2302.04867), from the last
// timestep on, where the words pull most. As it is where its steps are no more than that already,
// and where the model was taught its own few steps.
pipeline::SampleOptions preview_sampling(pipeline::SampleOptions sample,
                                         const ModelDefaults& defaults);

}  // namespace keepsake::editor
