// What `generate` draws for a grid: each text and each guidance, with all the seeds.
#pragma once

#include <vector>

#include "editor/edit/generate_files.h"
#include "editor/photo/contact_sheet.h"

namespace keepsake::editor {

// A request for each text and each guidance, which are its only ones: texts in their order, of each
// its guidances. One of just `request` where it has no more of either.
std::vector<GenerateRequest> variants_of(const GenerateRequest& request);

// The pictures as a sheet: a row for each of the request's `variants`, a column for each seed.
// pixels: of each variant its pictures, one after the other. sample: what they were drawn by.
Grid grid_of(const GenerateRequest& request, const std::vector<GenerateRequest>& variants,
             const pipeline::SampleOptions& sample, const std::vector<Pixels>& pixels);

}  // namespace keepsake::editor
