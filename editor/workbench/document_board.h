// Where the latest Document hangs.
#pragma once

#include <functional>
#include <memory>
#include <mutex>

#include "editor/workbench/document.h"

namespace keepsake::editor {

// Several threads change the Document, each change making a new one; any thread takes the latest.
class DocumentBoard {
  public:
    // changed: called after each change, on the thread that made it.
    explicit DocumentBoard(std::function<void()> changed);

    std::shared_ptr<const Document> latest() const;
    void change(const std::function<void(Document&)>& edit);
    // A change that also shows one line to the person.
    void tell(Notice::Kind kind, const std::string& text);

  private:
    std::function<void()> changed_;
    mutable std::mutex mutex_;
    std::shared_ptr<const Document> latest_ = std::make_shared<Document>();
};

}  // namespace keepsake::editor
