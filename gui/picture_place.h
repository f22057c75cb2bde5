// Where a picture lies in the canvas: fitted, zoomed and panned, the same for all that are
// compared.
#pragma once

#include "gui/frame.h"

namespace keepsake::gui {

// `area`: where it may be drawn. aspect: its width over its height. zoom 1 fits it with a margin.
Rect picture_place(const Rect& area, float aspect, float zoom, ImVec2 pan);

// The same moved to whole pixels of the screen where it is shown at 100 %, so that each of its
// pixels is one of the screen's.
Rect pixel_aligned(const Rect& place, int picture_width);

// Where the area that was tuned lies in the picture.
Rect area_place(const Frame& frame, const Rect& place);

// Mouse wheel and +, - zoom about the pointer, dragging pans (in the view Mask with the middle
// button), a double click changes between the whole picture and its pixels. `area` was the item
// drawn last.
void zoom_and_pan(Frame& frame, const Rect& area, float aspect);

// The zoom at which one pixel of the picture is one of the screen.
float pixel_zoom(const Rect& area, float aspect, int picture_width);

// Stops at the whole picture and at 100 % on its way.
void zoom_by(Frame& frame, float factor);
// Between the whole picture and 100 %.
void toggle_pixels(Frame& frame);

}  // namespace keepsake::gui
