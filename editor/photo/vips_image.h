// libvips for the files of this folder that read and write images: start-up, ownership, errors.
// Not for public headers: it includes vips.h.
#pragma once

#include <vips/vips.h>

#include <memory>
#include <string>
#include <string_view>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

struct VipsRelease {
    void operator()(VipsImage* image) const { g_object_unref(image); }
};
using VipsHandle = std::unique_ptr<VipsImage, VipsRelease>;

// Starts libvips once: no warnings on stderr (errors come as exceptions), no operation cache, and
// only the decoders that libvips trusts with files from strangers. Throws Error.
void start_vips();

// The pixels as an image, which borrows them. Throws Error naming `name`.
VipsHandle vips_image_of(const Pixels& pixels, const std::string& name);

// A block of metadata as it lies in the image, e.g. VIPS_META_EXIF_NAME; empty when there is none.
std::string_view metadata_block(VipsImage* image, const char* name);

// The last failure as one line; empties libvips' error buffer.
std::string vips_failure();

}  // namespace keepsake::editor
