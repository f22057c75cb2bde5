// What the Worker's threads are wrapped in: whatever is thrown within ends in a line for the person
// (house rule 9).
#pragma once

#include <functional>
#include <new>

#include "editor/workbench/bench.h"

namespace keepsake::editor {

// The edge of a thread.
template <class Work>
void at_edge(DocumentBoard& board, const Work& work) {
    try {
        work();
    } catch (const std::exception& error) {
        try {
            board.tell(Notice::Kind::fault, error.what());
        } catch (const std::bad_alloc&) {
            // Not even for that line is there memory.
        }
    }
}

// What a request or a piece of work throws becomes a line for the person.
void guarded(Bench& bench, const std::function<void()>& work,
             Notice::Kind fault = Notice::Kind::fault);

void set_activity(DocumentBoard& board, Activity activity);

// Of the thread that calls it and of those it makes, which OpenMP's are: a window that shares the
// cores is drawn first.
void lower_priority(int by);

}  // namespace keepsake::editor
