// The first third of an edit: all that is settled before the first step.
#pragma once

#include "editor/edit/edit.h"

namespace keepsake::editor {

struct OpenedEdit {
    Photo photo;
    pipeline::Model model;
    Session session;
    Recipe recipe;  // the session's, with the sampling of this run
    Pixels square;  // the working square of the photo
    std::vector<double> etas;
    Destination out;  // its path is not empty
    int threads = 1;  // that compute
};

// The session of the request where it is there and not to be tuned anew, else a new one in its
// place. Nothing of an old one is replaced before it is known that the new one can be tuned and its
// images have a place. loaded: the model, where it is loaded already; null: it is loaded, and told
// of. Throws Error, as what it calls does (edit_recipe.h, session.h, render.h).
OpenedEdit open_or_begin(const EditRequest& request, const EditControls& controls,
                         const pipeline::Model* loaded = nullptr);

// The session of `folder`, for rendering alone. Throws Error likewise, and when its tuning is not
// finished.
OpenedEdit open_tuned(const std::filesystem::path& folder, const RenderRequest& request,
                      const EditControls& controls);

}  // namespace keepsake::editor
