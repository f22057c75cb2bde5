// Strengths, seeds, texts and guidances of an edit beside each other on one sheet.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "editor/edit/edit.h"

namespace keepsake::editor {

struct EditGrid {
    std::filesystem::path file;           // an image
    std::vector<std::string> more_texts;  // beside the request's own
    std::vector<double> guidances;        // none: the one that the request has
};

// edit() for each text and guidance. The first text's session is the request's; each further one
// has one of its own beside it (daisy-text-2.keepsake), which a fast edit begins
// with what the first learned. The images of each lie in a folder of their own in `out`
// ("text-2-guidance-3"), which is given and no file. Without strengths those in which something
// happens are rendered, and none is chosen. On the sheet a row is a text and guidance, a column a
// seed and strength. Of the result, seconds and losses are those of the first. Throws as edit().
EditResult edit_grid(const EditRequest& request, const EditGrid& grid,
                     const EditControls& controls);

// Likewise of a session, whose text is the only one.
EditResult render_grid(const std::filesystem::path& session, const RenderRequest& request,
                       const EditGrid& grid, const EditControls& controls);

}  // namespace keepsake::editor
