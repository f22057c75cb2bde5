// How alike two pictures are: PSNR, and SSIM, which is differentiable and so serves as a loss, too.
#pragma once

#include <ATen/ATen.h>

namespace keepsake::optimize {

using at::Tensor;

// Structural similarity (Wang et al., IEEE TIP 13 (4), 2004): Gaussian window of 11 pixels and
// standard deviation 1.5, K1 0.01, K2 0.03, population covariances, where the window fits into the
// picture. a, b: (B, C, H, W), H and W at least 11; range: of their values, 2 for [-1, 1]. Returns
// (B): the mean over channels and places. skimage's structural_similarity with gaussian_weights.
// Throws Error naming the pictures that are smaller.
Tensor structural_similarity(const Tensor& a, const Tensor& b, double range);

// Its mean at the picture's size and its halves (2x2 averages, as in Wang et al., Asilomar 2003),
// at most three, of no less than 16 pixels a side: the pattern and the layout count. (B).
Tensor similarity_at_scales(const Tensor& a, const Tensor& b, double range);

// Peak signal to noise in dB: 10 log10(range^2 / mean squared error). (B, C, H, W) -> (B).
Tensor peak_signal_to_noise(const Tensor& a, const Tensor& b, double range);

}  // namespace keepsake::optimize
