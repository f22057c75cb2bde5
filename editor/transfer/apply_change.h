// The edit of an area put into a picture's own samples, whatever their depth and colour space.
#pragma once

#include <opencv2/core.hpp>

#include "editor/transfer/change_model.h"
#include "editor/transfer/full_resolution.h"
#include "editor/transfer/region_strength.h"

namespace keepsake::editor {

// An edit in the colour space of the picture it goes into: of one size, CV_32FC3 in [0, 1].
struct EditInPlace {
    Crop crop;
    cv::Mat reconstruction, edit;
};

// picture: CV_8UC3, CV_8UC4, CV_16UC3 or CV_16UC4; a fourth channel is transparency, lies on white
// for the model, and stays as it is. Changes it as full_resolution.h says.
void apply_edit(cv::Mat& picture, const EditInPlace& edit, const EditRegion& region);

// An edit fitted to one picture, to be applied to any part of it in any order: the same pixels as
// apply_edit gives there.
struct FittedEdit {
    Crop crop;
    ChangeModel change;  // of width 0: nothing changes
};

// Throws Error naming the crop that does not fit the picture.
FittedEdit fit_edit(const cv::Mat& picture, const EditInPlace& edit);

// part: the picture's pixels from `at` on. strength: of `edit.crop` in the picture.
void apply_fitted(cv::Mat& part, cv::Point at, const FittedEdit& edit,
                  const RegionStrength& strength);

// Throws Error naming the crop when it leaves a picture of this size, or holds nothing.
void check_place(const Crop& crop, int width, int height);

}  // namespace keepsake::editor
