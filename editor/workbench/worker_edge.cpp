#include "editor/workbench/worker_edge.h"

#include <sys/resource.h>
#include <unistd.h>

namespace keepsake::editor {

void guarded(Bench& bench, const std::function<void()>& work, Notice::Kind fault) {
    try {
        work();
    } catch (const Cancelled&) {
        if (bench.session) show_session(bench);
    } catch (const std::exception& error) {
        want_nothing(bench);
        bench.board.tell(fault, error.what());
    }
}

void set_activity(DocumentBoard& board, Activity activity) {
    if (board.latest()->activity == activity) return;
    board.change([&](Document& document) {
        document.activity = activity;
        if (activity != Activity::tuning) document.progress = {};
    });
}

void lower_priority(int by) {
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), by);
}

}  // namespace keepsake::editor
