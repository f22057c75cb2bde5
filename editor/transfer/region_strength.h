// How strongly the edit is applied at each pixel of its square.
#pragma once

#include <opencv2/core.hpp>
#include <span>

#include "editor/transfer/full_resolution.h"

namespace keepsake::editor {

// Of a square at `crop` in a picture of width x height: the mask, thresholded and feathered
// inwards, and a fade to nothing at those sides of the square that lie inside the picture.
class RegionStrength {
  public:
    // Throws Error naming the mask, threshold or feather that makes no sense.
    RegionStrength(const EditRegion& region, const Crop& crop, int width, int height);

    // The strengths in [0, 1] of row y of the square from column `first` on. Zero outside the mask,
    // exactly.
    void row(int y, int first, std::span<float> out) const;

  private:
    std::vector<float> across_, down_;  // the fades
    cv::Mat values_;                    // the mask, CV_32FC1 in [0, 1]; empty: none
    cv::Mat inside_;                    // its feathered strength, likewise
    float threshold_ = 0;
};

}  // namespace keepsake::editor
