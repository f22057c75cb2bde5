#include "editor/photo/pixel_tensors.h"

#include <cstring>

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

}  // namespace keepsake::editor
