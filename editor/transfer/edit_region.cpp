#include "editor/transfer/edit_region.h"

#include <algorithm>

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

EditRegion kept_region(const Mask& words) {
    constexpr double feather = 0.015;  // the region already ends at the photo's own edges
    return {words, EditRegion{}.threshold, feather};
}

// No larger than the crop: a square photo's mask is then never taken for one of the whole photo
// when its square is a part of it.
int painted_side(const Crop& crop) {
    return std::min(crop.width, most_side);
}

}  // namespace keepsake::editor
