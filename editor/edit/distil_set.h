// What a student sees: a picture set's latents, and those that the teacher draws.
#pragma once

#include <filesystem>

#include "editor/edit/distil_plan.h"

namespace keepsake::editor {

// Encodes the plan's pictures and draws its prompts. Both are kept in `cache` (a folder of the run)
// and read from there the next time, by what they depend on; a file there that is damaged is made
// anew. `monitor` is told "encode" and "draw". Throws Error naming a file, and Cancelled.
optimize::DistilSet distil_set(const DistilPlan& plan, const std::filesystem::path& cache,
                               Monitor& monitor);

}  // namespace keepsake::editor
