// Undo and redo over the results that a person has looked at.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/workbench/document.h"

namespace keepsake::editor {

// Every item stays. Undo goes to the item that was shown when the present one was made; redo to the
// newest one that was made from the present one. So nothing is lost by editing after an undo.
class History {
  public:
    // Shows a result: the present item when it is the same, an older same one again, or a new one.
    void show(HistoryItem item);
    bool undo();
    bool redo();
    void go_to(std::size_t index);  // does nothing beyond the end
    void clear();

    bool can_undo() const;
    bool can_redo() const;
    const std::vector<HistoryItem>& items() const { return items_; }
    std::optional<std::size_t> at() const { return at_; }

  private:
    std::optional<std::size_t> next() const;

    std::vector<HistoryItem> items_;
    std::optional<std::size_t> at_;
};

// The items that belong to `session` as its history.json, written whole, without pictures.
void save_history(const std::filesystem::path& session, const History& history);

struct SavedHistory {
    std::vector<HistoryItem> items;  // the newest one last; of their drafts, the sampling alone
    std::size_t shown = 0;           // index of the one that was shown
    std::string fault;  // what of it cannot be read and is left out, for the person; may be empty
};

// What save_history wrote; empty when there is no such file or it is damaged. An item that is
// damaged, or that this version cannot sample, is left out.
SavedHistory load_history(const std::filesystem::path& session);

}  // namespace keepsake::editor
