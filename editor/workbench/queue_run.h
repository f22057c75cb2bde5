// Working off the queue on the Worker's thread.
#pragma once

#include <functional>

#include "editor/workbench/bench.h"

namespace keepsake::editor {

// Puts what `change` makes of the queue into the Document.
void change_queue(DocumentBoard& board, const std::function<EditQueue(EditQueue)>& change);

// Whether there is an edit to be worked on, and a model for it.
bool wants_queue(const Bench& bench);

// Makes the next edit whole, on a bench of its own: opens the photo, tunes, renders the strip. What
// is open in the window stays as it is. What goes wrong is the edit's remark and ends that one
// alone. Throws Cancelled; the edit then waits again, and goes on from what was saved.
void work_on_queue(Bench& bench, Monitor& monitor);

}  // namespace keepsake::editor
