// Ways to carry an edit to a photo's own size: the one that Keepsake has and those it was compared
// with.
#pragma once

#include <functional>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace keepsake::bench {

// CV_32FC3 in [0, 1], R G B.
struct Scene {
    cv::Mat photo;                        // the working square at the photo's own size
    cv::Mat small, reconstruction, edit;  // the working square, and what the model made of it
};

struct Method {
    std::string name, source;
    std::function<cv::Mat(const Scene&)> run;
};

// The first is plain upscaling of the edit, the last is Keepsake's.
std::vector<Method> methods();

}  // namespace keepsake::bench
