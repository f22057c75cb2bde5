// What libvips 8.14 does not read of a PNG's chunks: its EXIF orientation, whether it is an
// animation.
#pragma once

#include <string_view>

namespace keepsake::editor {

// EXIF orientation (tag 0x0112, 1 to 8) from the eXIf chunk of a PNG file's bytes (PNG 3, section
// 11.3.4.5); 1 where there is no such chunk, or a malformed one. Never throws, reads nothing beyond
// `png`.
int png_orientation(std::string_view png);

// Whether a PNG file says that it is an animation (the chunk acTL; PNG 3, section 11.3.6).
bool is_animated_png(std::string_view png);

// The orientation from an EXIF block itself, which begins with its TIFF header.
int exif_orientation(std::string_view tiff);

}  // namespace keepsake::editor
