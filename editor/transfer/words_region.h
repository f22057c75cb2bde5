// Where the words of an edit belong in the photo, found without anybody's help: the region that the
// pictures of an edit keep to, and their exports.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "editor/transfer/full_resolution.h"
#include "optimize/imagic/imagic.h"
#include "pipeline/model/model.h"
#include "pipeline/model/words_map.h"

namespace keepsake::editor {

// Chosen on the forty edits of tests/bench (docs/fast-mode.md).
struct WordsRegionOptions {
    pipeline::WordsMapOptions map;  // where the words look
    double blur = 4.0 / 128;        // of it, standard deviation, of the square's side
    double core = 0.5;    // between its 5th and 95th percentile: where the cut begins to look
    double least = 0.02;  // a region that covers less of the square, or more than `most`, is none
    double most = 0.97;
    std::vector<double> pull_strengths = {0.85, 0.7};  // of the noise, where the pull is measured
    int pull_samples = 4;                              // noises of each
    double sure = 0.35;  // how much more the words must pull inside, in standard deviations
};

struct WordsRegion {
    // The working square's size, 0 or 255; none: the words are about the whole picture, or the
    // model is not sure where they belong.
    std::optional<Mask> mask;
    double contrast = 0;  // of the words' pull, inside over outside, in its standard deviations
};

// Where the untuned network looks at the words (words_map.h) says roughly where; the photo's own
// colours say where that ends (GrabCut, Rother et al., SIGGRAPH 2004). Then the words have to pull
// there: how far the predictions of `asked`, the network that is asked about the words, for the
// text and for e_opt differ (DiffEdit, Couairon et al., arXiv 2210.11427, section 3.2) inside over
// outside; "at night" pulls everywhere. square: the working square. The same for every number of
// threads. Throws Cancelled.
WordsRegion words_region(const pipeline::Model& model, const pipeline::UNet& asked,
                         const optimize::Tuning& tuning, const Pixels& square,
                         const WordsRegionOptions& options, Monitor& monitor);

// The share of each latent that the region covers, a little widened so that what lies on its edge
// is edited too: (1, 1, h, w) float32.
at::Tensor latent_mask(const Mask& mask, std::int64_t height, std::int64_t width);

}  // namespace keepsake::editor
