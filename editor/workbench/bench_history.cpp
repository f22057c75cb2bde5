// Undo, redo, and the steps of the history.
#include "editor/workbench/bench.h"

namespace keepsake::editor {
namespace {

// Shows the present item of `history` again, in the session that it belongs to, and with it the
// history; a failure leaves that where it was.
void restore(Bench& bench, History history) {
    const HistoryItem item = history.items()[*history.at()];
    if (!bench.session || bench.session->folder != item.session) {
        open_session_folder(bench, item.session, std::move(history));
    } else {
        bench.history = std::move(history);
    }
    look_at(bench, {item.draft.sample, item.eta, item.seed});
    // Last: what the window then takes over has the item's strength and seed, too.
    bench.board.change([&](Document& document) {
        document.draft = item.draft;
        ++document.draft_revision;
    });
}

}  // namespace

void undo(Bench& bench) {
    // A tuning that has no result yet is undone by going back to what was shown before it.
    History history = bench.history;
    const auto at = history.at();
    const bool elsewhere =
        at && bench.session && history.items()[*at].session != bench.session->folder;
    if (elsewhere || history.undo()) restore(bench, std::move(history));
}

void redo(Bench& bench) {
    History history = bench.history;
    if (history.redo()) restore(bench, std::move(history));
}

void go_to(Bench& bench, std::size_t index) {
    History history = bench.history;
    history.go_to(index);
    if (history.at()) restore(bench, std::move(history));
}

}  // namespace keepsake::editor
