// Where the words of an edit belong in the photo, found without anybody's help: the region that the
// pictures of an edit keep to, and their exports.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "editor/transfer/full_resolution.h"
#include "optimize/imagic/imagic.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// Chosen on the forty edits of tests/bench (docs/fast-mode.md).
struct WordsRegionOptions {
    int samples = 8;          // noises of each map
    std::uint64_t seed = 0;   // of them
    double blur = 4.0 / 128;  // of the maps, standard deviation, of the square's side
    double core = 0.6;        // of the maps' 95th percentile: where the cut begins to look
    double least = 0.02;  // a region that covers less of the square, or more than `most`, is none
    double most = 0.97;
    double sure = 0.35;  // how much the maps must stand out inside it, in their standard deviations
};

struct WordsRegion {
    // The working square's size, 0 or 255; none: the words are about the whole picture, or the
    // model is not sure where they belong.
    std::optional<Mask> mask;
    double contrast = 0;  // of the maps, inside over outside, in their standard deviations
};

// Maps of how far the predictions for the text and for no text or e_opt differ, of the model's own
// network and the tuned one, at two noises (DiffEdit, Couairon et al., arXiv 2210.11427, section
// 3.2), added up, say roughly where; the photo's own colours say where that ends (GrabCut, Rother
// et al., SIGGRAPH 2004). square: the working square. The same for every number of threads. Throws
// Cancelled.
WordsRegion words_region(const pipeline::Model& model, const optimize::Tuning& tuning,
                         const Pixels& square, const WordsRegionOptions& options, Monitor& monitor);

// The share of each latent that the region covers, a little widened so that what lies on its edge
// is edited too: (1, 1, h, w) float32.
at::Tensor latent_mask(const Mask& mask, std::int64_t height, std::int64_t width);

}  // namespace keepsake::editor
