// Which folders are sessions. For a window, which must not know what is in them.
#pragma once

#include <filesystem>

namespace keepsake::editor {

bool is_session(const std::filesystem::path& folder);

}  // namespace keepsake::editor
