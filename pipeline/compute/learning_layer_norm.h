// Layer norm with gradients.
#pragma once

#include <ATen/ATen.h>

namespace keepsake::pipeline {

// at::layer_norm over the last dimension (Ba et al., arXiv 1607.06450), by the kernels: float32 on
// CPU, channels a multiple of 16. The gradients of weight and bias do not depend on the number of
// threads: LibTorch's are sums of one partial sum a thread. x: (..., channels); weight, bias:
// (channels) -> x's shape.
at::Tensor learning_layer_norm(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias, double eps);

}  // namespace keepsake::pipeline
