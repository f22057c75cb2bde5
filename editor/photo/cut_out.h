// Parts of pictures that need not be photos.
#pragma once

#include "editor/photo/photo.h"

namespace keepsake::editor {

// The largest centred square.
Crop centred_square(const Pixels& pixels);

// The pixels of `crop`, which lies within them.
Pixels cut_out(const Pixels& pixels, const Crop& crop);

}  // namespace keepsake::editor
