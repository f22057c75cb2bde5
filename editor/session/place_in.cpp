#include "editor/session/place_in.h"

namespace keepsake::editor {

namespace fs = std::filesystem;

fs::path place_in(const fs::path& folder, const fs::path& path) {
    std::error_code code;
    const fs::path whole = fs::absolute(path, code).lexically_normal();
    const fs::path relative =
        whole.lexically_relative(fs::absolute(folder, code).lexically_normal());
    const bool inside = !relative.empty() && *relative.begin() != "..";
    return inside ? relative : whole;
}

}  // namespace keepsake::editor
