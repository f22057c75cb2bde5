// How a number that a network says of a picture changes with each pixel, found in two ways, and
// where one comes by following it.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace keepsake::optimize {

using at::Tensor;

// (B, 1, H, W) -> (B, 1), each row's from its own picture alone.
using PictureScore = std::function<Tensor(const Tensor& pictures)>;

// By central differences: (score(x + h e) - score(x - h e)) / 2h for every pixel e, one after the
// other. The error is of the order of h^2, and of the rounding of score over h. picture: (1, 1, H,
// W) -> the same shape.
Tensor gradient_by_differences(const PictureScore& score, const Tensor& picture, double h);

// By the chain rule backwards through the network (LibTorch's autograd): exact to rounding, for all
// pixels at once. pictures: (B, 1, H, W) -> the same shape.
Tensor gradient_by_autograd(const PictureScore& score, const Tensor& pictures);

struct ClimbOptions {
    std::int64_t steps = 200;
    double length = 0.03;  // of a step, as root mean square over the pixels
};

// Follows the gradient uphill, or with a negative length downhill; pictures stay in [-1, 1].
// Returns the pictures on the way, from the first. pictures: (B, 1, H, W).
std::vector<Tensor> climb(const PictureScore& score, const Tensor& pictures,
                          const ClimbOptions& options);

}  // namespace keepsake::optimize
