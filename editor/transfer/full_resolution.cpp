#include "editor/transfer/full_resolution.h"

#include <cmath>
#include <opencv2/core.hpp>

#include "editor/photo/pixel_mats.h"
#include "editor/transfer/apply_change.h"
#include "editor/transfer/region_strength.h"
#include "pipeline/error.h"

namespace keepsake::editor {

using cv::Mat;

void check_areas(const AreaEdit& edit) {
    const auto size = [](const Pixels& pixels) {
        return std::to_string(pixels.width) + "x" + std::to_string(pixels.height);
    };
    for (const Pixels* area : {&edit.reconstruction, &edit.edit}) {
        if (area->width < 1 || area->height < 1 || area->width != edit.edit.width ||
            area->height != edit.edit.height ||
            area->rgb.size() != std::size_t(area->width) * area->height * 3) {
            throw Error("edit", "its pictures are " + size(edit.reconstruction) + " and " +
                                    size(edit.edit) + ", expected two of one size");
        }
    }
}

Pixels full_resolution(const Pixels& photo, const AreaEdit& edit, const EditRegion& region) {
    check_areas(edit);
    Pixels result = photo;
    Mat picture(result.height, result.width, CV_8UC3, result.rgb.data());
    apply_edit(picture, {edit.crop, unit_mat(edit.reconstruction), unit_mat(edit.edit)}, region);
    return result;
}

Mask region_weights(const EditRegion& region, int width, int height) {
    // An area that fills its picture has no fades of its own.
    const RegionStrength strength(region, {0, 0, width, height}, width, height);
    Mask weights{width, height, std::vector<std::uint8_t>(std::size_t(width) * height)};
    std::vector<float> row(width);
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
