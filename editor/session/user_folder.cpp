#include "editor/session/user_folder.h"

#include <cstdlib>

namespace keepsake::editor {

std::filesystem::path user_folder(const char* variable, const char* in_home) {
    if (const char* folder = std::getenv(variable); folder && *folder == '/')
        return std::filesystem::path(folder) / "keepsake";
    if (const char* home = std::getenv("HOME"); home && *home)
        return std::filesystem::path(home) / in_home / "keepsake";
    return {};
}

}  // namespace keepsake::editor
