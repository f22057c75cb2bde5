// A picture as the editor holds it.
#pragma once

#include <cstdint>
#include <vector>

namespace keepsake::editor {

// 8-bit sRGB, row by row, R G B R G B ...; rgb.size() == width * height * 3.
struct Pixels {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> rgb;
};

// Resampled with antialiasing: area average to a smaller size, Lanczos to a larger one.
Pixels resize(const Pixels& pixels, int width, int height);

}  // namespace keepsake::editor
