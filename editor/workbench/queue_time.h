// How long the queue takes still.
#pragma once

#include <optional>

#include "editor/workbench/edit_queue.h"

namespace keepsake::editor {

// In seconds, of the edits that wait and have a text and of the one under way: each as long as
// those mostly took that are done with the same settings; without such, those with others by
// how much work they are; without any, by how far the one under way is. None: nothing is known yet,
// or nothing waits.
std::optional<double> seconds_left(const EditQueue& queue, const QueueProgress& progress);

}  // namespace keepsake::editor
