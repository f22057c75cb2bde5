// Where a render of the working square becomes the picture that a person sees.
#pragma once

#include "editor/document.h"

namespace keepsake::editor {

// What a comparison is made of. `reconstruction` is the render at eta 0 of the same seed.
struct RenderedSquares {
    const PhotoView& photo;
    Crop crop;
    Picture working_square, reconstruction;
};

// `render` beside what it came from, with the size of their difference.
Comparison finished_picture(const RenderedSquares& squares, const Render& render);

// |a - b| of two pictures of one size, brighter so that small changes show.
Pixels difference_of(const Pixels& a, const Pixels& b);

}  // namespace keepsake::editor
