// What every panel is given to draw one frame.
#pragma once

#include <imgui.h>

#include <functional>
#include <string>
#include <vector>

#include "editor/workbench/document.h"
#include "editor/workbench/requests.h"
#include "gui/textures.h"
#include "gui/theme.h"
#include "gui/window_state.h"

namespace keepsake::gui {

struct Rect {
    ImVec2 min, max;
    float width() const { return max.x - min.x; }
    float height() const { return max.y - min.y; }
    ImVec2 size() const { return {width(), height()}; }
    ImVec2 centre() const { return {(min.x + max.x) / 2, (min.y + max.y) / 2}; }
};

// Where a named widget was drawn, for programs that drive the window.
struct Widget {
    std::string name;
    Rect place;
};

struct Frame {
    const editor::Document& document;
    WindowState& state;
    Textures& textures;
    std::vector<Widget>& widgets;
    const Fonts& fonts;
    float scale;  // pixels of one unit of the design
    double now;   // seconds
    std::function<void(editor::Request)> send;

    float px(float units) const { return units * scale; }
};

// Notes the place of the item drawn last.
void mark(Frame& frame, const std::string& name);
void mark(Frame& frame, const std::string& name, const Rect& place);

// A tooltip of the item drawn last, wrapped, once the pointer rests on it.
void tooltip(Frame& frame, const char* text);

// Text in the small font and the faint colour, wrapped at the panel's edge.
void faint_text(const Frame& frame, const std::string& text, ImU32 tint = colour::faint);

// Draws `picture` in `place`, cut to its shape: the largest centred part that fills it.
// opacity: of it over what is there, 0 to 1.
void draw_filling(Frame& frame, ImDrawList& list, const editor::Picture& picture, const Rect& place,
                  double opacity = 1);

// A text that is cut with an ellipsis to `width` pixels in the current font.
std::string shortened(const std::string& text, float width);

// A button in the accent colour, for the one thing to do next.
bool primary_button(const char* label, ImVec2 size, bool enabled);

}  // namespace keepsake::gui
