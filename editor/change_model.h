// What changed between two small pictures, as a model that a large photo can be put through.
#pragma once

#include <array>
#include <opencv2/core.hpp>
#include <vector>

namespace keepsake::editor {

// The values are for colours in [0, 1] and chosen on tests/bench/full_resolution_bench.cpp, which
// prints what others give.
struct ChangeOptions {
    double window = 0.05;      // radius of the windows that share a colour model, of the side
    double ridge = 2e-3;       // variance of the photo below which a window shifts but not scales
    double rest_blur = 0.016;  // what the colour model leaves over is added this much softened
    double novelty_window = 0.03;  // radius of the windows in which structures are compared
    double novelty_low =
        0.035;  // structure in the edit alone, rms: from here the edit shows through
    double novelty_high = 0.09;  // from here only the edit is seen
};

// At one place, for a photo's colour c: the change is A c + b, and what is seen where the edit has
// structure of its own is `picture`, with the weight `novelty` in [0, 1].
struct ChangeCell {
    std::array<float, 9> a{};  // row by row
    std::array<float, 3> b{};
    std::array<float, 3> picture{};
    float novelty = 0;
};

// size x size cells, row by row, that cover the working square: the centre of cell (i, j) lies at
// ((i + 0.5) / size, (j + 0.5) / size) of its side.
struct ChangeModel {
    int size = 0;
    std::vector<ChangeCell> cells;
};

// photo, reconstruction, edit: squares of one size, CV_32FC3 in [0, 1], the same channels in each.
// All three are taken as they are: where edit and reconstruction are equal, nothing changes.
ChangeModel fit_change(const cv::Mat& photo, const cv::Mat& reconstruction, const cv::Mat& edit,
                       const ChangeOptions& options = {});

// `window_radius` in pixels; the affine functions of `guide`'s colours that come nearest to
// `target` in every window (He, Sun & Tang, ECCV 2010, equation 19 for colour guides): 12 planes,
// CV_32FC1, A row by row and then b, averaged over the windows that hold each pixel (eq. 17).
std::array<cv::Mat, 12> fit_affine(const cv::Mat& guide, const cv::Mat& target, int window_radius,
                                   double ridge);

// A c + b for every pixel of `guide`, CV_32FC3.
cv::Mat apply_affine(const std::array<cv::Mat, 12>& affine, const cv::Mat& guide);

}  // namespace keepsake::editor
