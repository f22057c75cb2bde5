// Which folders are sessions. For a window, which must not know what is in them.
#pragma once

#include <filesystem>

namespace keepsake::editor {

// A folder whose recipe.json is a session's; one that cannot be read counts where a session's photo
// lies beside it, so that whoever opens it learns what is wrong.
bool is_session(const std::filesystem::path& folder);

}  // namespace keepsake::editor
