// Pictures resized and cut to the bit as the Python library PIL does it, with which the networks
// that look at pictures were trained.
#pragma once

#include "editor/photo/pixels.h"

namespace keepsake::editor {

// Image.resize((width, height), BICUBIC) of an RGB image: two passes of antialiased bicubic (a =
// -0.5), across first, in fixed point of 22 bits, each rounded to 8 bits: as Pillow 11 does it;
// Pillow 13 goes down first for some sizes, and then rounds otherwise. Throws Error
// naming a size below 1.
Pixels pil_resize(const Pixels& pixels, int width, int height);

// Where the middle is where it is not a whole pixel: transformers rounds down, torchvision's
// CenterCrop (openai's and open_clip's code) to the even one.
enum class CentreRule { down, to_even };

// The shorter side becomes `shortest`, the longer one int(shortest * long / short), then the
// square of `crop` pixels in the middle. shortest is at least crop. Throws Error else.
Pixels clip_square(const Pixels& pixels, int shortest, int crop,
                   CentreRule rule = CentreRule::down);

}  // namespace keepsake::editor
