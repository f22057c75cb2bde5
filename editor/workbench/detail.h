// The photo and the edit in it at the photo's own size, a tile at a time, for what is zoomed into.
#pragma once

#include <vector>

#include "editor/transfer/apply_change.h"
#include "editor/workbench/document.h"

namespace keepsake::editor {

// The parts of a photo that `visible` touches, the nearest to its middle first; none where it is
// empty, or so large that nobody could see its pixels on a screen.
std::vector<Crop> tile_cores(const Crop& visible, const Pixels& photo);

// The tile without the edit.
DetailTile photo_tile(const Crop& core, const Pixels& photo);

// Adds the edit. edit, strength: of the photo.
void add_edit(DetailTile& tile, const FittedEdit& edit, const RegionStrength& strength);

bool overlaps(const Crop& a, const Crop& b);

}  // namespace keepsake::editor
