#include "editor/transfer/finished_picture.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

constexpr int difference_gain = 2;

}  // namespace

Pixels difference_of(const Pixels& a, const Pixels& b) {
    if (a.width != b.width || a.height != b.height) {
        throw Error("difference", "the pictures have not the same size");
    }
    Pixels result{a.width, a.height, std::vector<std::uint8_t>(a.rgb.size())};
    for (std::size_t i = 0; i < a.rgb.size(); ++i) {
        const int change = std::abs(int(a.rgb[i]) - int(b.rgb[i]));
        result.rgb[i] = static_cast<std::uint8_t>(std::min(255, change * difference_gain));
    }
    return result;
}

Crop scaled_crop(const Crop& crop, const Pixels& photo, const Pixels& view) {
    const double scale = double(view.width) / photo.width;
    Crop scaled;
    scaled.width = std::clamp(int(std::lround(crop.width * scale)), 1, view.width);
    scaled.height = std::clamp(int(std::lround(crop.height * scale)), 1, view.height);
    scaled.x = std::clamp(int(std::lround(crop.x * scale)), 0, view.width - scaled.width);
    scaled.y = std::clamp(int(std::lround(crop.y * scale)), 0, view.height - scaled.height);
    return scaled;
}

}  // namespace keepsake::editor
