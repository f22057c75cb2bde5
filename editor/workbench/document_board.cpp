#include "editor/workbench/document_board.h"

namespace keepsake::editor {

DocumentBoard::DocumentBoard(std::function<void()> changed) : changed_(std::move(changed)) {}

std::shared_ptr<const Document> DocumentBoard::latest() const {
    const std::lock_guard lock(mutex_);
    return latest_;
}

void DocumentBoard::change(const std::function<void(Document&)>& edit) {
    {
        const std::lock_guard lock(mutex_);
        auto next = std::make_shared<Document>(*latest_);
        edit(*next);
        ++next->revision;
        latest_ = std::move(next);
    }
    if (changed_) changed_();
}

void DocumentBoard::tell(Notice::Kind kind, const std::string& text) {
    change([&](Document& document) { document.notice = {document.notice.number + 1, kind, text}; });
}

}  // namespace keepsake::editor
