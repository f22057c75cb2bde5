// The edit at the photo's own size: what changed between the model's reconstruction and its edit,
// carried to the original pixels. How it was chosen: tests/bench/README.md.
//
// The change is modelled as affine functions of the photo's colours that vary over place and
// lightness (bilateral guided upsampling, Chen et al., SIGGRAPH Asia 2016), fitted on the small
// area and read at the photo's pixels. So it follows the photo's own edges and moves its grain
// along with the colours. Where the edit draws structure that the reconstruction does not have, the
// result fades to the edit itself, upscaled.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "editor/photo/photo.h"
#include "editor/photo/pixels.h"

namespace keepsake::editor {

// How much each part of the working area takes part, 0 to 255, row by row; values.size() == width
// * height. It covers the whole area at any resolution of its own.
struct Mask {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> values;
};

// Where the edit may reach.
struct EditRegion {
    std::optional<Mask> mask;  // none: the whole area
    double threshold = 0.5;    // of 255; what lies at or below it is outside (DiffEdit, arXiv
                               // 2210.11427, section 3.2)
    double feather =
        0.03;  // inwards from the mask's edge to full strength, of the area's shorter side
    // Likewise from those sides of the area that lie inside the photo.
    double side_fade = 0.12;
};

// One edit as the model rendered it: two pictures of the same size and the place they are of.
struct AreaEdit {
    Crop crop;              // of the upright photo
    Pixels reconstruction;  // eta 0, same seed and sampling as `edit`
    Pixels edit;
};

// `photo` with the edit at its own size, for showing. `edit.crop` is in pixels of `photo`, which
// may be a smaller copy of the photo with the crop scaled to match. The change fades out towards
// those sides of the area that lie inside the photo. Bit for bit the photo: outside the area,
// outside the mask, and everywhere when edit and reconstruction are equal. Throws Error naming the
// crop, the pictures or the mask when a size does not fit.
Pixels full_resolution(const Pixels& photo, const AreaEdit& edit, const EditRegion& region = {});

// Throws Error naming the sizes unless both are of one size.
void check_areas(const AreaEdit& edit);

// The strength of the edit that `region` leaves, thresholded and feathered, for an overlay on the
// area: width x height values, 0 untouched, 255 in full. Throws Error as above.
Mask region_weights(const EditRegion& region, int width, int height);

}  // namespace keepsake::editor
