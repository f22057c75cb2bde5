// Pictures as the model takes and gives them.
#pragma once

#include <ATen/ATen.h>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

// image: (1, 3, H, W) float32 in [0, 1]; rounded as diffusers' numpy_to_pil rounds it.
Pixels to_pixels(const at::Tensor& image);

// -> (1, 3, H, W) float32 in [-1, 1].
at::Tensor to_tensor(const Pixels& pixels);

}  // namespace keepsake::editor
