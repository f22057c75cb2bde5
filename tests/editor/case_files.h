// The files of tests/editor/cases.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "editor/photo/photo.h"

namespace keepsake::testing {

inline std::filesystem::path case_file(const std::string& name) {
    return std::filesystem::path(KEEPSAKE_SOURCE "/tests/editor/cases") / name;
}

// The largest difference of two samples; 256 for pictures of different sizes.
inline int worst_difference(const editor::Pixels& a, const editor::Pixels& b) {
    if (a.width != b.width || a.height != b.height) return 256;
    int worst = 0;
    for (std::size_t i = 0; i < a.rgb.size(); ++i) {
        worst = std::max(worst, std::abs(int(a.rgb[i]) - int(b.rgb[i])));
    }
    return worst;
}

}  // namespace keepsake::testing
