// The layers that the text encoder, the VAE and the U-Net are built from. Plain structs over tensors
// taken from Weights; every tensor keeps its diffusers name. Differentiable by LibTorch's autograd.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "pipeline/weights.h"

namespace keepsake::pipeline {

// y = x W^T + b. x: (..., in), y: (..., out).
struct Linear {
    Tensor weight;  // (out, in)
    Tensor bias;    // (out), or undefined
    Linear() = default;
    Linear(Weights& weights, const std::string& prefix, std::int64_t in, std::int64_t out,
           bool with_bias = true);
    Tensor operator()(const Tensor& x) const;
};

// x: (B, in, H, W) -> (B, out, H', W').
struct Conv2d {
    Tensor weight;  // (out, in, k, k), channels_last
    Tensor bias;    // (out)
    std::int64_t stride = 1, padding = 0;
    Conv2d() = default;
    Conv2d(Weights& weights, const std::string& prefix, std::int64_t in, std::int64_t out,
           std::int64_t kernel, std::int64_t stride_ = 1, std::int64_t padding_ = 0);
    Tensor operator()(const Tensor& x) const;
};

struct GroupNorm {
    Tensor weight, bias;  // (channels)
    std::int64_t groups = 32;
    double eps = 1e-5;
    GroupNorm() = default;
    GroupNorm(Weights& weights, const std::string& prefix, std::int64_t groups_,
              std::int64_t channels, double eps_);
    Tensor operator()(const Tensor& x) const;
};

struct LayerNorm {
    Tensor weight, bias;  // (channels)
    double eps = 1e-5;
    LayerNorm() = default;
    LayerNorm(Weights& weights, const std::string& prefix, std::int64_t channels, double eps_ = 1e-5);
    Tensor operator()(const Tensor& x) const;
};

// Multi-head scaled-dot-product attention. q: (B, N, heads*d); k, v: (B, M, heads*d) -> (B, N, heads*d).
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads,
                 bool causal = false);

}  // namespace keepsake::pipeline
