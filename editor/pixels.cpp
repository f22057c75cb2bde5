#include "editor/pixels.h"

#include <cstring>
#include <opencv2/imgproc.hpp>

namespace keepsake::editor {

Pixels to_pixels(const at::Tensor& image) {
    const at::Tensor bytes = image[0]
                                 .to(at::kCPU)
                                 .mul(255)
                                 .round()
                                 .clamp(0, 255)
                                 .to(at::kByte)
                                 .permute({1, 2, 0})
                                 .contiguous();
    Pixels pixels;
    pixels.height = static_cast<int>(bytes.size(0));
    pixels.width = static_cast<int>(bytes.size(1));
    const auto* data = bytes.const_data_ptr<std::uint8_t>();
    pixels.rgb.assign(data, data + bytes.numel());
    return pixels;
}

at::Tensor to_tensor(const Pixels& pixels) {
    at::Tensor bytes = at::empty({pixels.height, pixels.width, 3}, at::kByte);
    std::memcpy(bytes.mutable_data_ptr<std::uint8_t>(), pixels.rgb.data(), pixels.rgb.size());
    return bytes.permute({2, 0, 1}).unsqueeze(0).to(at::kFloat).div(127.5).sub(1).contiguous();
}

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
