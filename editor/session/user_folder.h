// Where the programs keep things of the user's (XDG Base Directory Specification).
#pragma once

#include <filesystem>

namespace keepsake::editor {

// The folder `keepsake` in that of the environment's `variable`, where it is absolute, else in
// ~/<in_home>: ("XDG_DATA_HOME", ".local/share"). Empty where there is no HOME either.
std::filesystem::path user_folder(const char* variable, const char* in_home);

}  // namespace keepsake::editor
