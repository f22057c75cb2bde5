// Small pictures of files, for lists.
#pragma once

#include <filesystem>

#include "editor/pixels.h"

namespace keepsake::editor {

// Upright, sRGB, on white, its longer side at most `side` pixels; reads no more of the file than
// that needs. Throws Error naming the path when it is no image that Keepsake opens.
Pixels load_thumbnail(const std::filesystem::path& path, int side);

// Whether the name ends as a photo's does: .jpg, .jpeg, .png, .webp, .tif, .tiff.
bool has_photo_extension(const std::filesystem::path& path);

}  // namespace keepsake::editor
