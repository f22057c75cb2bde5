// The pictures of a place, before they are opened.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "editor/session/picture_set.h"

namespace keepsake::editor {

// Without size and fingerprint. What the user should hear is added to `remarks`. Throws Error as
// read_picture_set does, for what can be told by names.
std::vector<SetPicture> find_pictures(const std::filesystem::path& place,
                                      std::vector<std::string>& remarks);

}  // namespace keepsake::editor
