// The settings of an edit that waits in the queue, as the window's fields have them.
#pragma once

#include <string>

#include "editor/workbench/edit_draft.h"
#include "editor/workbench/edit_queue.h"

namespace keepsake::editor {

// model: of the fields; it is noted whole, for other windows to find it.
QueueSettings settings_of(const ModelChoice& model, const EditDraft& draft, std::uint64_t seed);

bool is_of_model(const QueueSettings& settings, const ModelChoice& model);

// "fast, 60 + 60 steps; dpmpp_2m karras, 8 steps, guidance 3; not: blurry". The model's name and
// its parts' only where they are others than `model` has.
std::string line_of(const QueueSettings& settings, const ModelChoice& model);

}  // namespace keepsake::editor
