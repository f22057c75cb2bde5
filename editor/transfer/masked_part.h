// The part of a photo around what a mask says, to be worked on alone at the model's own resolution
// (AUTOMATIC1111's "Only masked").
#pragma once

#include "editor/transfer/full_resolution.h"

namespace keepsake::editor {

struct MaskedPart {
    Crop crop;  // of the photo
    Mask mask;  // of `crop`, a value for each of its pixels
};

// mask: of `within`, a part of the photo, at any resolution. What is half white and more, with
// `padding` pixels of the photo around it, widened within `within` to width : height = shape, as
// AUTOMATIC1111 does it (modules/masking.py, get_crop_region and expand_crop_region), and to 16
// pixels a side. Throws Error naming `mask` where nothing of it is white.
MaskedPart masked_part(const Mask& mask, const Crop& within, int padding, double shape = 1);

}  // namespace keepsake::editor
