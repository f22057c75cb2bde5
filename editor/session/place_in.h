// Paths that are noted in a folder's own files.
#pragma once

#include <filesystem>

namespace keepsake::editor {

// `path` as the folder's own files note it: relative to the folder where it lies in it, because
// that may be moved; else absolute. `folder` / the result is the path again.
std::filesystem::path place_in(const std::filesystem::path& folder,
                               const std::filesystem::path& path);

}  // namespace keepsake::editor
