// What the room Teach reads and writes beside the run itself.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "editor/workbench/document_board.h"

namespace keepsake::editor {

// Puts what is at `places` (editor/session/picture_set.h, or one run's folder) into
// TeachView::offers, with thumbnails. What cannot be read is told there. `stopped`: gives up.
void offer_pictures(DocumentBoard& board, const std::filesystem::path& library,
                    const std::vector<std::filesystem::path>& places,
                    const std::function<bool()>& stopped);

// Fills TeachView::words and unfinished from the library.
void show_words(DocumentBoard& board, const std::filesystem::path& library);

// Copies of the draft's pictures with their captions in <run>/pictures, and returns that folder: a
// picture set that `keepsake learn` takes, and no file of the person's is touched. Throws Error
// naming what cannot be read or written.
std::filesystem::path write_lesson(const TeachDraft& draft, const std::filesystem::path& run);

// A new folder for a run of this name in the library.
std::filesystem::path new_run_folder(const std::filesystem::path& library, const std::string& name);

// Brings the pictures on the way that are new to the board.
void read_samples(TeachBoard& board);

}  // namespace keepsake::editor
