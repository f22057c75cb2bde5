// The EXIF orientation of a PNG, which libvips 8.14 does not read.
#pragma once

#include <string_view>

namespace keepsake::editor {

// EXIF orientation (tag 0x0112, 1 to 8) from the eXIf chunk of a PNG file's bytes (PNG 3, section
// 11.3.4.5); 1 where there is no such chunk, or a malformed one. Never throws, reads nothing beyond
// `png`.
int png_orientation(std::string_view png);

// The same from an EXIF block itself, which begins with its TIFF header.
int exif_orientation(std::string_view tiff);

}  // namespace keepsake::editor
