#include "editor/photo/pixel_mats.h"

namespace keepsake::editor {

cv::Mat unit_mat(const Pixels& pixels) {
    const cv::Mat bytes(pixels.height, pixels.width, CV_8UC3,
                        const_cast<std::uint8_t*>(pixels.rgb.data()));
    cv::Mat image;
    bytes.convertTo(image, CV_32F, 1.0 / 255);
    return image;
}

}  // namespace keepsake::editor
