// A libvips image as the bytes of a photo file. Not for public headers: it includes vips.h.
#pragma once

#include <string>

#include "editor/photo/export_options.h"
#include "editor/photo/photo.h"
#include "editor/photo/vips_image.h"

namespace keepsake::editor {

// Metadata that libvips does not write is taken off the image. In the format of `path`'s extension,
// compressed like `photo` where that is of the same format (a JPEG's quality and chroma
// subsampling, whether a WebP is lossless), else near to lossless. Throws Error naming the path.
std::string encode_photo(const std::filesystem::path& path, VipsImage* image, const Photo& photo,
                         const ExportOptions& options);

}  // namespace keepsake::editor
