// The strength of guidance as an input of a network (Meng et al., "On Distillation of Guided
// Diffusion Models", arXiv 2210.03142, sec. 3.1), as latent consistency models have it.
#pragma once

#include <ATen/ATen.h>

namespace keepsake::pipeline {

// w: (B) float32, guidance_scale - 1 -> (B, dim) float32: sines, then cosines, of 1000 w at dim / 2
// frequencies from 1 down to 1 / 10000; a last 0 where dim is odd. dim: 4 or more, or 3. As
// diffusers' LatentConsistencyModelPipeline.get_guidance_scale_embedding, which is not how its
// U-Nets embed a timestep.
at::Tensor guidance_embedding(const at::Tensor& w, std::int64_t dim);

}  // namespace keepsake::pipeline
