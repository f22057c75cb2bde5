// One picture that shows a whole edit.
#pragma once

#include <string>
#include <vector>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

struct LabelledPixels {
    std::string label;  // UTF-8, under the picture
    Pixels pixels;      // of any shape, shown whole
};

struct ContactSheet {
    std::string title;     // UTF-8, the target text; broken over lines where it is long
    std::string subtitle;  // how it was made; may be empty
    std::vector<std::vector<LabelledPixels>> rows;  // a long row is folded
};

// Draws it; a text that no font can draw leaves its place empty. Throws Error when there is no
// picture.
Pixels draw_contact_sheet(const ContactSheet& sheet);

}  // namespace keepsake::editor
