// How the edit is compared with the photo.
#pragma once

#include "editor/photo/photo.h"
#include "editor/photo/pixels.h"

namespace keepsake::editor {

// The crop in pixels of a smaller copy of the photo.
Crop scaled_crop(const Crop& crop, const Pixels& photo, const Pixels& view);

// |a - b| of two pictures of one size, brighter so that small changes show.
Pixels difference_of(const Pixels& a, const Pixels& b);

}  // namespace keepsake::editor
