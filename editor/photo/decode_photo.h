// A photo's file as a libvips image, for the files of this folder that read it. Not for public
// headers: it includes vips.h.
#pragma once

#include "editor/photo/photo.h"
#include "editor/photo/vips_image.h"

namespace keepsake::editor {

// The file opened, as it is stored. Throws Error naming photo.path.
VipsHandle open_image(const Photo& photo);

// EXIF's orientation of an opened file, 1 to 8.
int orientation_of(const Photo& photo, VipsImage* image);

// The samples as they are in the file, upright, of 8 or 16 bits (numbers of other kinds become 16);
// metadata and profile (of a PNG also one made of its chunks) hang on the image. Of the channels
// the colours and, where there is one, transparency. Read by content from photo.bytes, which must
// outlive it. Throws Error naming photo.path.
VipsHandle decode_upright(const Photo& photo);

// The other channels of a TIFF (saved selections and the like), likewise; null where there are
// none.
VipsHandle decode_others(const Photo& photo);

// The field of an image that has a PNG's colour chunks, as long as its samples are in them.
inline constexpr const char* png_colour_field = "keepsake-png-colour";

// The same in sRGB with 8 or 16 `bits` a sample, three channels and transparency where
// there is one. By the embedded profile; a broken one, or one for other channels, is passed over,
// as viewers do.
VipsHandle to_srgb(const Photo& photo, VipsHandle image, int bits);

// Throws Error naming the photo, with what libvips noted of it.
[[noreturn]] void refuse_damaged(const Photo& photo);

// Whether an ICC profile hangs on the image.
bool has_profile(const VipsHandle& image);

// The result of a libvips operation, given what it returned. Throws Error naming the photo.
VipsHandle checked(const Photo& photo, int status, VipsImage* made);

}  // namespace keepsake::editor
