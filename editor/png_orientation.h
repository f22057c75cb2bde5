// EXIF orientation of a PNG.
#pragma once

#include <string_view>

namespace keepsake::editor {

// The orientation, 1 to 8, in the eXIf chunk of the PNG file `png` (PNG specification 1.5
// extensions; EXIF 2.3, tag 0x0112); 1 when there is none or it is malformed. libvips up to 8.14
// does not read that chunk.
int png_orientation(std::string_view png);

}  // namespace keepsake::editor
