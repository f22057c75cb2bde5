#include "optimize/scratch/pixel_gradients.h"

#include <ATen/core/grad_mode.h>

namespace keepsake::optimize {

Tensor gradient_by_differences(const PictureScore& score, const Tensor& picture, double h) {
    const at::NoGradGuard no_grad;
    Tensor gradient = at::empty_like(picture);
    for (std::int64_t pixel = 0; pixel < picture.numel(); ++pixel) {
        const auto score_at = [&](double change) {
            Tensor changed = picture.clone();
            changed.view(-1)[pixel] += change;
            return score(changed).item<double>();
        };
        gradient.view(-1)[pixel] = (score_at(h) - score_at(-h)) / (2 * h);
    }
    return gradient;
}

Tensor gradient_by_autograd(const PictureScore& score, const Tensor& pictures) {
    const at::AutoGradMode with_gradients(true);
    Tensor x = pictures.detach().clone();
    x.set_requires_grad(true);
    score(x).sum().backward();
    return x.grad();
}

std::vector<Tensor> climb(const PictureScore& score, const Tensor& pictures,
                          const ClimbOptions& options) {
    std::vector<Tensor> way = {pictures};
    for (std::int64_t step = 0; step < options.steps; ++step) {
        const Tensor gradient = gradient_by_autograd(score, way.back());
        const Tensor size = gradient.square().mean({1, 2, 3}, /*keepdim=*/true).sqrt();
        way.push_back((way.back() + options.length * gradient / (size + 1e-12)).clamp(-1, 1));
    }
    return way;
}

}  // namespace keepsake::optimize
