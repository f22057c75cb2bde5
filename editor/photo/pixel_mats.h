// Pixels for OpenCV.
#pragma once

#include <opencv2/core.hpp>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

// CV_32FC3 in [0, 1], R G B.
cv::Mat unit_mat(const Pixels& pixels);

}  // namespace keepsake::editor
