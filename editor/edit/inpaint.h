// A part of a photo drawn anew: what `generate --mask` and the mode inpaint share.
#pragma once

#include <vector>

#include "editor/transfer/full_resolution.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {

// What is drawn anew of a picture over the working area, and what of it stays.
struct DrawnAnew {
    at::Tensor mask;                    // (1, 1, H, W) float32 in [0, 1], drawn from 0.5 up
    pipeline::LatentDistribution rest;  // of the picture with that part grey
};

// A mask of any size over a working area of this one, (1, 1, H, W) float32 in [0, 1], shifted so
// that what the threshold leaves inside is at 0.5 and above.
at::Tensor mask_over(const Mask& mask, const Size& area, double threshold = EditRegion{}.threshold);

// image: (1, 3, H, W) in [-1, 1].
DrawnAnew drawn_anew(const pipeline::Model& model, const at::Tensor& image, at::Tensor mask);

// The generators that the picture's own latents are drawn by: none, for their mean, where the
// network is made for inpainting and starts from noise alone, because it never sees them then.
std::vector<at::Generator> draws_of_picture(const pipeline::Model& model, double strength,
                                            const std::vector<at::Generator>& generators);

// Draws the rest's latents by each generator, which in diffusers' order comes after the noise.
pipeline::Inpainting inpainting_of(const pipeline::Model& model, const DrawnAnew& drawn,
                                   const std::vector<at::Generator>& generators);

}  // namespace keepsake::editor
