// The queue's list in the library: queue.json.
#pragma once

#include <filesystem>

#include "editor/workbench/edit_queue.h"

namespace keepsake::editor {

// Of several windows the one that was opened first keeps its list there, so that no edit is made
// twice. While this lives, the list is its own.
class QueueFile {
  public:
    explicit QueueFile(std::filesystem::path library);
    ~QueueFile();
    QueueFile(const QueueFile&) = delete;
    QueueFile& operator=(const QueueFile&) = delete;

    // Whether the list is kept here; else `unkept` of load() says why it is not.
    bool is_ours() const { return file_ >= 0; }
    // What the last window left, paused where edits wait in it. An entry that cannot be read is
    // left out, and so is an edit that is done and whose session is gone.
    EditQueue load() const;
    // Without pictures. Throws Error naming the file when it cannot be written; does nothing where
    // the list is not ours.
    void save(const EditQueue& queue) const;

  private:
    std::filesystem::path library_;
    int file_ = -1;
};

}  // namespace keepsake::editor
