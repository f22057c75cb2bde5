// EXIF blocks as image files hold them: behind "Exif\0\0" in JPEG, bare in PNG and WebP (RFC 9649,
// section 2.7.1.5), where libvips 8.14 writes the prefix too. Blocks here are bare: their TIFF
// header comes first. Not for public headers: it includes vips.h.
#pragma once

#include <string>
#include <string_view>

#include "editor/photo/vips_image.h"

namespace keepsake::editor {

// What JPEG puts before a block.
inline constexpr std::string_view exif_prefix("Exif\0\0", 6);

// The block on `image`; empty where there is none.
std::string_view exif_block(VipsImage* image);

// Hangs the block on `image` in place of the one there.
void hang_exif(VipsImage* image, std::string_view block);

// The finished file with this block in place of the one that libvips wrote; empty: with none.
std::string jpeg_with_exif(std::string jpeg, std::string_view block);
std::string png_with_exif(std::string png, std::string_view block);
std::string webp_with_exif(std::string webp, std::string_view block);

}  // namespace keepsake::editor
