#include "editor/photo/cut_out.h"

#include <algorithm>
#include <cstring>

namespace keepsake::editor {

Crop centred_square(const Pixels& pixels) {
    const int side = std::min(pixels.width, pixels.height);
    return {(pixels.width - side) / 2, (pixels.height - side) / 2, side, side};
}

Pixels cut_out(const Pixels& pixels, const Crop& crop) {
    Pixels part{crop.width, crop.height, {}};
    const std::size_t row = std::size_t(crop.width) * 3;
    part.rgb.resize(row * crop.height);
    for (int y = 0; y < crop.height; ++y) {
        const std::size_t from = (std::size_t(crop.y + y) * pixels.width + crop.x) * 3;
        std::memcpy(&part.rgb[y * row], &pixels.rgb[from], row);
    }
    return part;
}

}  // namespace keepsake::editor
