// The edit region of the bench's session: where the words belong, and the automatic mask.
#pragma once

#include "editor/workbench/bench.h"

namespace keepsake::editor {

// Shows the words' region and keeps it beside the renders, so that one who opens the session again
// and renders nothing exports the same.
void keep_words_region(Bench& bench, const WordsPull& words);

bool can_find_mask(const Bench& bench);
// Finds the automatic mask, shows and keeps it. Throws Cancelled and Error.
void find_mask(Bench& bench, Monitor& monitor);

}  // namespace keepsake::editor
