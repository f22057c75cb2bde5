// Where a picture lies in the canvas: fitted, zoomed and panned, the same for all that are
// compared.
#pragma once

#include "gui/frame.h"

namespace keepsake::gui {

// `area`: where it may be drawn. aspect: its width over its height. zoom 1 fits it with a margin.
Rect picture_place(const Rect& area, float aspect, float zoom, ImVec2 pan);

// Mouse wheel and +, - zoom about the pointer, dragging pans, a double click changes between the
// whole picture and its pixels. `area` was the item drawn last. picture_width: in pixels.
void zoom_and_pan(Frame& frame, const Rect& area, float aspect, int picture_width);

// The zoom at which one pixel of the picture is one of the screen.
float pixel_zoom(const Rect& area, float aspect, int picture_width);

void zoom_by(Frame& frame, float factor);

}  // namespace keepsake::gui
