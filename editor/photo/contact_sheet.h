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

// The same pictures by what differs between them: one column a value of the first thing, one row a
// value of the others.
struct Grid {
    std::string title, subtitle;
    std::vector<std::string> columns;  // UTF-8, above the pictures
    struct Row {
        std::string label;           // UTF-8, at the left
        std::vector<Pixels> pixels;  // one for each column
    };
    std::vector<Row> rows;
};

// Draws it, pictures of any shape whole. Throws Error when there is no picture, or a row has
// another number of them than there are columns.
Pixels draw_grid(const Grid& grid);

// Draws it; a text that no font can draw leaves its place empty. Throws Error when there is no
// picture.
Pixels draw_contact_sheet(const ContactSheet& sheet);

}  // namespace keepsake::editor
