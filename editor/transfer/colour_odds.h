// Whose colours a picture has: by how much likelier they are in some pictures than in others.
#pragma once

#include <opencv2/core.hpp>
#include <vector>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

// Chosen on the forty edits of tests/bench (docs/fast-mode.md).
struct ColourDensityOptions {
    int lightness_cells = 32, colour_cells = 52;      // of CIE L*, and of each of a* and b*
    double lightness_blur = 15.6, colour_blur = 6.5;  // standard deviations, in units of L*, a*, b*
};

// How often each colour occurs: a histogram over CIE Lab (D65), softened. Cells are in the order of
// L*, a*, b*, and add up to 1.
struct ColourDensity {
    ColourDensityOptions options;
    std::vector<double> cells;
    // lab: L* in 0 to 100, a* and b* within 130 of 0; what lies beyond is in the cell at the end.
    double operator()(const cv::Vec3f& lab) const { return cells[cell(lab)]; }
    std::size_t cell(const cv::Vec3f& lab) const;
};

// CV_32FC3, L* a* b*.
cv::Mat lab_mat(const Pixels& pixels);

// Of the colours of all of `pictures`; in the first one's pixels where `within` (CV_8UC1, of its
// size) is not 0, if it is not empty. Throws Error when there is no pixel.
ColourDensity colour_density(const std::vector<cv::Mat>& pictures, const cv::Mat& within = {},
                             const ColourDensityOptions& options = {});

// In the mean over the pixels of `picture` (lab_mat) where `within` is not 0, or all of them: the
// logarithm of how much likelier a colour is by `of` than by `against`. Both are raised by `least`,
// so that a colour that neither knows says nothing.
double colour_odds(const cv::Mat& picture, const cv::Mat& within, const ColourDensity& of,
                   const ColourDensity& against, double least = 1e-5);

// share * a + (1 - share) * b. Both have the same options.
ColourDensity mixed(const ColourDensity& a, const ColourDensity& b, double share);

}  // namespace keepsake::editor
