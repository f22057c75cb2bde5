#include "editor/transfer/full_resolution.h"

#include <cmath>
#include <opencv2/core.hpp>

#include "editor/photo/pixel_mats.h"
#include "editor/transfer/apply_change.h"
#include "editor/transfer/region_strength.h"
#include "pipeline/error.h"

namespace keepsake::editor {

using cv::Mat;

void check_squares(const SquareEdit& edit) {
    const auto size = [](const Pixels& pixels) {
        return std::to_string(pixels.width) + "x" + std::to_string(pixels.height);
    };
    for (const Pixels* square : {&edit.reconstruction, &edit.edit}) {
        if (square->width < 1 || square->width != square->height ||
            square->width != edit.edit.width ||
            square->rgb.size() != std::size_t(square->width) * square->height * 3) {
            throw Error("edit", "its squares are " + size(edit.reconstruction) + " and " +
                                    size(edit.edit) + ", expected two squares of one size");
        }
    }
}

Pixels full_resolution(const Pixels& photo, const SquareEdit& edit, const EditRegion& region) {
    check_squares(edit);
    Pixels result = photo;
    Mat picture(result.height, result.width, CV_8UC3, result.rgb.data());
    apply_edit(picture, {edit.crop, unit_mat(edit.reconstruction), unit_mat(edit.edit)}, region);
    return result;
}

Mask region_weights(const EditRegion& region, int width, int height) {
    // A square that fills its picture has no fades of its own.
    const int side = std::max(width, height);
    const RegionStrength strength(region, {0, 0, width, height}, width, height);
    Mask weights{width, height, std::vector<std::uint8_t>(std::size_t(width) * height)};
    std::vector<float> row(side);
    for (int y = 0; y < height; ++y) {
        strength.row(y, 0, row);
        for (int x = 0; x < width; ++x) {
            weights.values[std::size_t(y) * width + x] =
                static_cast<std::uint8_t>(std::lround(255 * row[x]));
        }
    }
    return weights;
}

}  // namespace keepsake::editor
