// What changed between two small pictures, as a model that a large photo can be put through.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

#include "editor/transfer/colour_grid.h"

namespace keepsake::editor {

// In pixels of the small pictures and for colours in [0, 1]; chosen on real edits with
// tests/bench/full_resolution_bench.cpp.
struct ChangeOptions {
    ColourGridOptions colours;
    double rest_blur = 8;        // what the colour model leaves over is added this much softened
    int novelty_cell = 32;       // structures are compared over cells of this many pixels
    double novelty_blur = 5;     // softens away edges that lie a little elsewhere in the edit
    double novelty_spread = 14;  // the neighbourhood whose novelty counts: regions, not patches
    double novelty_low = 0.06;   // rms of the structure that only the edit has: from here the
    double novelty_high = 0.11;  // edit shows through, from here nothing else is seen
};

// What is added to a photo's colours besides the colour grid's change, and what is seen instead of
// the photo: at one place.
struct ChangeCell {
    float rest[3] = {};
    float picture[3] = {};
    float novelty = 0;  // the weight of `picture`, 0 to 1
};

// width x height cells, row by row, that cover the area: the centre of cell (i, j) lies at
// ((i + 0.5) / width, (j + 0.5) / height) of its sides.
struct ChangeModel {
    ColourGrid colours;
    int width = 0, height = 0;
    std::vector<ChangeCell> cells;
};

// photo, reconstruction, edit: of one size, CV_32FC3 in [0, 1], the same channels in each.
ChangeModel fit_change(const cv::Mat& photo, const cv::Mat& reconstruction, const cv::Mat& edit,
                       const ChangeOptions& options = {});

}  // namespace keepsake::editor
