// A picture set as pixels, for what learns from pictures themselves.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>

#include "editor/photo/pixels.h"
#include "editor/session/picture_set.h"
#include "pipeline/error.h"

namespace keepsake::editor {

// The centred square of each picture of the set, of `side` pixels: (N, 3, side, side) uint8. They
// are written into a file of `folder` (a run's), by what the set holds, and mapped from there: a
// set may be larger than the memory. `monitor` is told "pictures". Throws Error naming a picture
// that has changed since it was looked at, or the file; and Cancelled.
at::Tensor square_pictures(const PictureSet& set, std::int64_t side,
                           const std::filesystem::path& folder, Monitor& monitor);

// Which pictures are kept apart, to measure by: of a hundred about `percent`, by their content, so
// that a picture that is added moves none from one side to the other; one at least of two or more.
// (N) bool.
at::Tensor held_out(const PictureSet& set, double percent);

// Several pictures (N, 3, H, W) in [-1, 1] side by side, in rows of `columns`.
Pixels picture_wall(const at::Tensor& pictures, std::int64_t columns);

}  // namespace keepsake::editor
