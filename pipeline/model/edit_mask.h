// Where an edit takes place: DiffEdit's mask (Couairon et al., arXiv 2210.11427, section 3.2, step
// 1).
#pragma once

#include "pipeline/error.h"
#include "pipeline/networks/unet.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::pipeline {

struct EditMaskOptions {
    double strength = 0.5;   // of the noise: the share of the training timesteps (section 3.2)
    int samples = 10;        // noises that are averaged over (section 3.2: n = 10)
    std::uint64_t seed = 0;  // of the noises, drawn on CPU
};

struct EditMaskInput {
    Tensor latents;         // (1, C, h, w) float32, the photo's, scaled
    Tensor target, source;  // (1, T, D): the embeddings of the text after and before
};

// How far the predictions for the two texts differ, averaged over noises and channels, in standard
// deviations of the noise: (h, w) float32 on CPU. Both are of the same noisy latents, made at
// `strength`. Throws Error naming an input whose shape does not fit or an option out of range, and
// Cancelled; reports one step per noise.
Tensor prediction_difference(const UNet& unet, const Schedule& schedule, const EditMaskInput& input,
                             const EditMaskOptions& options, Monitor& monitor);

// How far the predictions for the two texts differ, averaged over noises and channels, outliers
// cut, scaled to [0, 1] (appendix A.1 of the paper's code: clamped to three times the mean): (h, w)
// float32 on CPU. All zero when they do not differ. Both predictions are of the same noisy latents,
// made at `strength`, so that for every prediction type the difference is proportional to that of
// the noise. Throws Error naming an input whose shape does not fit or an option out of range, and
// Cancelled; reports one step per noise.
Tensor edit_mask(const UNet& unet, const Schedule& schedule, const EditMaskInput& input,
                 const EditMaskOptions& options, Monitor& monitor);

}  // namespace keepsake::pipeline
