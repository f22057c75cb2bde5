#include "editor/photo/pixels.h"

#include <opencv2/imgproc.hpp>

namespace keepsake::editor {

Pixels resize(const Pixels& pixels, int width, int height) {
    if (width == pixels.width && height == pixels.height) return pixels;
    const cv::Mat from(pixels.height, pixels.width, CV_8UC3,
                       const_cast<std::uint8_t*>(pixels.rgb.data()));
    Pixels result{width, height, std::vector<std::uint8_t>(std::size_t(width) * height * 3)};
    cv::Mat to(height, width, CV_8UC3, result.rgb.data());
    const bool smaller = width < pixels.width || height < pixels.height;
    cv::resize(from, to, to.size(), 0, 0, smaller ? cv::INTER_AREA : cv::INTER_LANCZOS4);
    return result;
}

}  // namespace keepsake::editor
