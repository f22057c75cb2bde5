#include "editor/transfer/edit_region.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <utility>

namespace keepsake::editor {
namespace {

constexpr int most_side = 1024;

}  // namespace

SharedMask chosen_mask(const RegionView& region) {
    switch (region.settings.mode) {
        case RegionMode::none:
            break;
        case RegionMode::automatic:
            return region.automatic;
        case RegionMode::painted:
            return region.painted;
        case RegionMode::words:
            return region.words;
    }
    return nullptr;
}

EditRegion edit_region(const RegionView& region) {
    const SharedMask mask = chosen_mask(region);
    if (!mask) return {};
    if (region.settings.mode == RegionMode::words) return kept_region(*mask);
    return {*mask, region.settings.threshold, region.settings.feather};
}

RegionKey region_key(const RegionView& region) {
    RegionKey key{region.settings, chosen_mask(region)};
    // Of the whole square nothing else matters.
    if (!key.mask) key.settings = {};
    return key;
}

EditRegion kept_region(const Mask& words) {
    // The region ends at the photo's own edges; the rim of mixed colours there belongs to both
    // sides and is edited, too, over which the edit fades.
    constexpr double rim = 0.016, feather = 0.015;
    const int reach = static_cast<int>(std::lround(rim * std::min(words.width, words.height)));
    Mask wider = words;
    const cv::Mat from(words.height, words.width, CV_8UC1,
                       const_cast<std::uint8_t*>(words.values.data()));  // only read
    cv::Mat to(words.height, words.width, CV_8UC1, wider.values.data());
    const cv::Size size(2 * reach + 1, 2 * reach + 1);
    cv::dilate(from, to, cv::getStructuringElement(cv::MORPH_ELLIPSE, size));
    return {std::move(wider), EditRegion{}.threshold, feather};
}

// No larger than the crop: a mask is then never taken for one of the whole photo when the area is
// a part of it.
Size painted_size(const Crop& crop) {
    return fitted({crop.width, crop.height}, most_side);
}

}  // namespace keepsake::editor
