#include "editor/workbench/detail.h"

#include <algorithm>
#include <cmath>

#include "editor/photo/cut_out.h"
#include "editor/transfer/finished_picture.h"

namespace keepsake::editor {
namespace {

constexpr int tile_side = 512;
// Beyond a tile's core, so that a graphics card that mixes neighbouring pixels finds them.
constexpr int tile_border = 4;
// A screen of four times 1080p has half as many.
constexpr std::int64_t most_visible_pixels = std::int64_t{16} << 20;

// From a tile's middle to that of `visible`, squared and doubled.
std::int64_t distance(const Crop& core, const Crop& visible) {
    const std::int64_t dx = 2 * core.x + core.width - (2 * visible.x + visible.width);
    const std::int64_t dy = 2 * core.y + core.height - (2 * visible.y + visible.height);
    return dx * dx + dy * dy;
}

}  // namespace

std::vector<Crop> tile_cores(const Crop& visible, const Pixels& photo) {
    const int left = std::clamp(visible.x, 0, photo.width);
    const int top = std::clamp(visible.y, 0, photo.height);
    const int right = std::clamp(visible.x + visible.width, left, photo.width);
    const int bottom = std::clamp(visible.y + visible.height, top, photo.height);
    std::vector<Crop> cores;
    if (std::int64_t{right - left} * (bottom - top) > most_visible_pixels) return cores;
    if (left == right) return cores;
    for (int y = top / tile_side * tile_side; y < bottom; y += tile_side) {
        for (int x = left / tile_side * tile_side; x < right; x += tile_side) {
            cores.push_back({x, y, std::min(tile_side, photo.width - x),
                             std::min(tile_side, photo.height - y)});
        }
    }
    std::ranges::sort(cores, {}, [&](const Crop& core) { return distance(core, visible); });
    return cores;
}

DetailTile photo_tile(const Crop& core, const Pixels& photo) {
    DetailTile tile{core, core, nullptr, nullptr, nullptr};
    Crop& place = tile.place;
    place.x = std::max(0, core.x - tile_border);
    place.y = std::max(0, core.y - tile_border);
    place.width = std::min(photo.width, core.x + core.width + tile_border) - place.x;
    place.height = std::min(photo.height, core.y + core.height + tile_border) - place.y;
    tile.before = std::make_shared<const Pixels>(cut_out(photo, place));
    return tile;
}

void add_edit(DetailTile& tile, const FittedEdit& edit, const RegionStrength& strength) {
    Pixels after = *tile.before;
    cv::Mat part(after.height, after.width, CV_8UC3, after.rgb.data());
    apply_fitted(part, {tile.place.x, tile.place.y}, edit, strength);
    tile.after = std::make_shared<const Pixels>(std::move(after));
    tile.difference = std::make_shared<const Pixels>(difference_of(*tile.before, *tile.after));
}

bool overlaps(const Crop& a, const Crop& b) {
    return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height &&
           b.y < a.y + a.height;
}

}  // namespace keepsake::editor
