// A photo of which a part is drawn anew.
#pragma once

#include <filesystem>

#include "tests/editor/test_photo.h"

namespace keepsake::testing {

// p.png, 96x96, and its mask m.png: the left third.
inline void save_photo_and_mask(const std::filesystem::path& folder) {
    save_photo(folder / "p.png", quarters(96, 96));
    editor::Pixels mask{96, 96, std::vector<std::uint8_t>(96 * 96 * 3, 0)};
    for (std::size_t i = 0; i < mask.rgb.size(); ++i) mask.rgb[i] = i / 3 % 96 < 32 ? 255 : 0;
    save_photo(folder / "m.png", mask);
}

}  // namespace keepsake::testing
