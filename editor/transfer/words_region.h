// Where the words of an edit belong in the photo, found without anybody's help: the region that the
// pictures of an edit keep to, and their exports.
#pragma once

#include <ATen/ATen.h>

#include <optional>

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
    // What the words do outside the region: how far the predictions with and without them differ
    // there, at this strength of the noise, in its standard deviations. From `everywhere` up they
    // are about the whole picture.
    double strength = 0.4;
    int samples = 4;  // noises
    double everywhere = 0.052;
};

struct WordsRegion {
    // The working square's size, 0 or 255; none: the words are about the whole picture, or the
    // model is not sure where they belong.
    std::optional<Mask> mask;
    double elsewhere = 0;  // what the words do outside of it (WordsRegionOptions::everywhere)
};

// The working area, and its latents: (1, C, h, w).
struct EncodedSquare {
    const Pixels& pixels;
    const at::Tensor& latents;
};

// Where the untuned network looks at the words (words_map.h) says roughly where; the photo's own
// colours say where that ends (GrabCut, Rother et al., SIGGRAPH 2004). "At night" and "a
// watercolor" change what is outside of that, too: then there is no region. The same for
// every number of threads. Throws Cancelled.
WordsRegion words_region(const pipeline::Model& model, const optimize::Tuning& tuning,
                         const EncodedSquare& square, const WordsRegionOptions& options,
                         Monitor& monitor);

// The share of each latent that the region covers, a little widened so that what lies on its edge
// is edited too: (1, 1, h, w) float32.
at::Tensor latent_mask(const Mask& mask, std::int64_t height, std::int64_t width);

}  // namespace keepsake::editor
