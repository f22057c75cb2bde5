// EXIF blocks where libvips 8.14 needs help. Those of WebP files begin with the TIFF header at once
// (RFC 9649, section 2.7.1.5), where libvips expects JPEG's "Exif\0\0" before it; and only its
// savers make a block of the fields that hang on an image. Not for public headers: it includes
// vips.h.
#pragma once

#include <string>
#include <string_view>

#include "editor/photo/vips_image.h"

namespace keepsake::editor {

// What JPEG puts before a block.
inline constexpr std::string_view exif_prefix("Exif\0\0", 6);

// The block on `image`, when there is one without the prefix; else empty.
std::string_view bare_exif(VipsImage* image);

// Hangs the block on `image` with all its entries as libvips' fields, as its JPEG loader does.
// Nothing happens when it is empty or damaged.
void adopt_exif(VipsImage* image, std::string_view block);

// The block on `image` with its fields as they are now and the image's size, as libvips' savers
// would write it, from its TIFF header on; empty where there is none, or it is longer than a JPEG
// holds.
std::string exif_of(VipsImage* image);

// Takes GPS and the maker's note, which may hold the place too, off the image: out of the block, of
// which libvips 8.14 leaves some GPS tags in, and of the fields.
void drop_place(VipsImage* image);

// A WebP file whose EXIF chunk has the prefix, as libvips writes it, without.
std::string webp_with_bare_exif(std::string webp);

}  // namespace keepsake::editor
