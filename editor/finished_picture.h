// Where a render of the working square becomes the picture that a person sees.
#pragma once

#include "editor/document.h"

namespace keepsake::editor {

// What a comparison is made of. `reconstruction` is the render at eta 0 of the same seed.
struct RenderedSquares {
    const PhotoView& photo;
    Crop crop;  // of the photo
    Picture reconstruction;
};

// The photo with `render` in it at the size that is shown, beside the photo as it was, and their
// difference. Throws Error as full_resolution does.
Comparison finished_picture(const RenderedSquares& squares, const Render& render);

// The crop in pixels of a smaller copy of the photo.
Crop scaled_crop(const Crop& crop, const Pixels& photo, const Pixels& view);

// |a - b| of two pictures of one size, brighter so that small changes show.
Pixels difference_of(const Pixels& a, const Pixels& b);

}  // namespace keepsake::editor
