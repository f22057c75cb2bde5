// What the Worker's second thread does: lists of files with their thumbnails.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "editor/workbench/document_board.h"

namespace keepsake::editor {

// Fills Document::folder; the names at once, the thumbnails as they are read, until `more_urgent`.
// A folder that cannot be read is noted there.
void list_folder(DocumentBoard& board, const std::filesystem::path& folder,
                 const std::function<bool()>& more_urgent);

// Fills Document::samples.
void list_samples(DocumentBoard& board);

// Fills Document::files.
void list_file_names(DocumentBoard& board);

// Fills Document::offer with the settings that a picture carries; asks: PictureRequest's. Returns
// whether it carries any.
bool offer_settings(DocumentBoard& board, const std::filesystem::path& path, bool asks);

// Fills Document::taken_offer from the offer of `document`, and tells what is used and what is not.
void take_offered(DocumentBoard& board, const Document& document,
                  const std::function<bool()>& gives_up);

// Reads the small pictures of the queue that are not read yet, until `more_urgent`. Returns whether
// all are read.
bool read_queue_pictures(DocumentBoard& board, const std::function<bool()>& more_urgent);

// Document::recent, which two threads list: at the start, and after a session was opened. Of
// listings that overlap the one that began last is shown, whichever ends first.
class RecentShelf {
  public:
    RecentShelf(DocumentBoard& board, std::filesystem::path library);

    struct Listing {
        std::uint64_t number = 0;  // 1, 2, ... as they began
        std::vector<ShelfItem> items;
    };
    Listing read();  // the sessions with their thumbnails: the slow half
    void show(const Listing& listing);

  private:
    DocumentBoard& board_;
    std::filesystem::path library_;
    std::atomic<std::uint64_t> begun_ = 0;
    std::uint64_t shown_ = 0;  // changes with the Document alone, under its lock
};

}  // namespace keepsake::editor
