// A picture as the editor holds it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace keepsake::editor {

// 8-bit sRGB, row by row, R G B R G B ...; rgb.size() == width * height * 3.
struct Pixels {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> rgb;
};

// image: (1, 3, H, W) float32 in [0, 1]; rounded as diffusers' numpy_to_pil rounds it.
Pixels to_pixels(const at::Tensor& image);

// -> (1, 3, H, W) float32 in [-1, 1].
at::Tensor to_tensor(const Pixels& pixels);

// Resampled with antialiasing: area average to a smaller size, Lanczos to a larger one.
Pixels resize(const Pixels& pixels, int width, int height);

}  // namespace keepsake::editor
