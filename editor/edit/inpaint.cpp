#include "editor/edit/inpaint.h"

#include <ATen/ATen.h>

#include <utility>

namespace keepsake::editor {

at::Tensor mask_over(const Mask& mask, const Size& area, double threshold) {
    const at::Tensor stored =
        at::tensor(at::ArrayRef<std::uint8_t>(mask.values), at::TensorOptions(at::kByte))
            .reshape({1, 1, mask.height, mask.width})
            .to(at::kFloat) /
        255;
    const at::Tensor over = at::adaptive_avg_pool2d(stored, {area.height, area.width});
    const double shift = EditRegion{}.threshold - threshold;
    return shift == 0 ? over : (over + shift).clamp(0, 1);
}

DrawnAnew drawn_anew(const pipeline::Model& model, const at::Tensor& image, at::Tensor mask) {
    const at::Tensor rest = pipeline::without_masked(image, mask);
    return {std::move(mask), pipeline::picture_latents(model, rest)};
}

std::vector<at::Generator> draws_of_picture(const pipeline::Model& model, double strength,
                                            const std::vector<at::Generator>& generators) {
    if (pipeline::is_inpainting(model) && strength == 1) return {};
    return generators;
}

pipeline::Inpainting inpainting_of(const pipeline::Model& model, const DrawnAnew& drawn,
                                   const std::vector<at::Generator>& generators) {
    return {pipeline::latent_mask(model, drawn.mask),
            pipeline::draw_latents(model, drawn.rest, generators)};
}

}  // namespace keepsake::editor
