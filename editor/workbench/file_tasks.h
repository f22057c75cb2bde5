// What the Worker's second thread does: lists of files with their thumbnails.
#pragma once

#include <filesystem>
#include <functional>

#include "editor/workbench/document_board.h"

namespace keepsake::editor {

// Fills Document::folder; the names at once, the thumbnails as they are read, until `more_urgent`.
// A folder that cannot be read is noted there.
void list_folder(DocumentBoard& board, const std::filesystem::path& folder,
                 const std::function<bool()>& more_urgent);

// Fills Document::samples and Document::recent.
void list_samples(DocumentBoard& board);
void list_recent(DocumentBoard& board, const std::filesystem::path& library);

}  // namespace keepsake::editor
