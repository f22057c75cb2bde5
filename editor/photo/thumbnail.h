// Small pictures of files, for lists.
#pragma once

#include <filesystem>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

// Upright, sRGB, on white, its longer side at most `side` pixels; reads no more of the file than
// that needs. Throws Error naming the path when it is no image that Keepsake opens.
Pixels load_thumbnail(const std::filesystem::path& path, int side);

}  // namespace keepsake::editor
