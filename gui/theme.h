// Colours, sizes and fonts: dark and neutral, so that the photo is the only colour in the window.
#pragma once

#include <imgui.h>

namespace keepsake::gui {

struct Fonts {
    ImFont* text = nullptr;
    ImFont* small = nullptr;
    ImFont* title = nullptr;
};

namespace colour {
constexpr ImU32 canvas = IM_COL32(24, 24, 25, 255);
constexpr ImU32 panel = IM_COL32(37, 37, 39, 255);
constexpr ImU32 line = IM_COL32(62, 62, 66, 255);
constexpr ImU32 text = IM_COL32(228, 228, 226, 255);
constexpr ImU32 faint = IM_COL32(160, 160, 162, 255);
constexpr ImU32 accent = IM_COL32(226, 164, 74, 255);
constexpr ImU32 accent_faint = IM_COL32(226, 164, 74, 70);
constexpr ImU32 fault = IM_COL32(240, 120, 104, 255);
constexpr ImU32 shade = IM_COL32(0, 0, 0, 140);
}  // namespace colour

// Sizes are for a scale of 1 and multiplied by it.
void apply_theme(float scale);

// Replaces the fonts of the current ImGui context. DejaVu Sans where it is installed, else ImGui's
// own font, which knows ASCII only.
Fonts load_fonts(float scale);

}  // namespace keepsake::gui
