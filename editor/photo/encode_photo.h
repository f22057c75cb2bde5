// A libvips image as the bytes of a photo file. Not for public headers: it includes vips.h.
#pragma once

#include <string>

#include "editor/photo/export_options.h"
#include "editor/photo/photo.h"
#include "editor/photo/vips_image.h"

namespace keepsake::editor {

// A PNG's text chunk with the recipe, and libvips' name for it.
inline constexpr const char* recipe_keyword = "keepsake";
inline constexpr const char* recipe_field = "png-comment-0-keepsake";

// The field of an image that says how many of its last channels are neither colour nor
// transparency; of TIFF.
inline constexpr const char* other_channels_field = "keepsake-other-channels";

// Metadata that libvips does not write is taken off the image. In the format of `path`'s extension,
// compressed like `photo` where that is of the same format (a JPEG's quality and chroma
// subsampling, whether a WebP is lossless), else near to lossless; a photo without bytes is none.
// Throws Error naming the path.
std::string encode_photo(const std::filesystem::path& path, VipsImage* image, const Photo& photo,
                         const ExportOptions& options);

// Whether a file's samples are not quite those it was written from: JPEG, and WebP unless it is a
// lossless one.
bool is_lossy(const Photo& photo);

}  // namespace keepsake::editor
