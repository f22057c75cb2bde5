// Attention by the kernels of kernels.h, without a gradient. layers.h uses it where it applies and
// ATen's everywhere else; both compute the same.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "pipeline/compute/arithmetic.h"

namespace keepsake::pipeline {

using at::Tensor;

// Multi-head scaled-dot-product attention: softmax(q k^T / sqrt(d)) v for each head. q: (B, N,
// heads*d); k, v: (B, M, heads*d), M > 0 -> (B, N, heads*d). Float32 on a CPU with kernels,
// gradients off. bfloat16 rounds q, k, v and the softmax's weights where d is even.
Tensor fused_attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads,
                       Arithmetic arithmetic);

}  // namespace keepsake::pipeline
