// The same edit for all photos of a folder: one model, one table of results, and no photo that
// stops the others.
//
//   OUT/<photo>-eta0.60-seed0.jpg, <photo>-sheet.png   as `edit` writes them, or one <photo>.jpg
//   OUT/results.csv, sheet.png, sheet-2.png ...        what became of all of them
//   OUT/sessions/<photo>.keepsake                      one a photo, for `render` and the window
//   OUT/batch/                                         what is done, by which settings
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/batch_photos.h"
#include "editor/edit/edit.h"
#include "pipeline/error.h"

namespace keepsake::editor {

struct BatchRequest {
    std::filesystem::path folder;  // of the photos
    std::filesystem::path out;
    std::optional<std::filesystem::path> masks;  // a folder; they are found in `folder` too
    // This program does the photos `shard`, shard + shards, ..., counted from 1; others, on this
    // machine or on others that share `out`, the rest.
    std::size_t shard = 1, shards = 1;
    bool single = false;  // one picture a photo, by the photo's own name
    EditRequest edit;     // its photo, session and place of pictures are set for each photo
};

struct BatchControls {
    Monitor* monitor = nullptr;                         // as `edit`'s, each note with the photo
    std::function<void(const std::string& text)> warn;  // one line for the user
    std::function<void(const BatchPhoto& photo, const EditResult& result)> finished;
};

struct BatchResult {
    std::size_t photos = 0;  // of this shard
    std::size_t done = 0, skipped = 0, failed = 0;
    std::filesystem::path table;                // results.csv, of all shards
    std::vector<std::filesystem::path> sheets;  // likewise; empty where nothing is done
};

// Edits every photo of the folder that is not done. A photo that fails is told through
// controls.warn and in the table, and tried again by the next call; what is done by the same
// settings, from the same photo and mask, and whose pictures are there, is skipped. The model is
// loaded before the first that is not. Throws Error where there is no photo, the place of the
// results cannot be written or holds another edit (unless edit.restart), or the model cannot be
// loaded; and Cancelled, with what is done noted, `result` telling how far it came.
void edit_batch(const BatchRequest& request, const BatchControls& controls, BatchResult& result);

}  // namespace keepsake::editor
