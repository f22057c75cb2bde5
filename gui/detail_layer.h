// The photo's own pixels over its reduced picture, where it is zoomed into.
#pragma once

#include "gui/frame.h"

namespace keepsake::gui {

enum class DetailLayer { before, after, difference };

// Draws the tiles that are there over the picture at `place`, within `visible`.
void draw_detail(Frame& frame, DetailLayer layer, const Rect& place, const Rect& visible);

// Asks for the part of the photo that is seen of `place` within `visible`, where the reduced
// picture is shown larger than it is; else for none.
void request_detail(Frame& frame, const Rect& place, const Rect& visible);

}  // namespace keepsake::gui
