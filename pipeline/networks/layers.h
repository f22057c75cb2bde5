// The layers that the text encoder, the VAE and the U-Net are built from. Plain structs over
// tensors taken from Weights; every tensor keeps its diffusers name. Differentiable by LibTorch's
// autograd.
//
// Pictures travel as (B, C, H, W) in channels_last memory format, which the convolutions, the group
// norm and the upsampling keep and in which a transformer's (B, H*W, C) is a view.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>

#include "pipeline/compute/fused_layers.h"
#include "pipeline/networks/weights.h"

namespace keepsake::pipeline {

// y = x W^T + b. x: (..., in), y: (..., out).
struct Linear {
    Tensor weight;  // (out, in), or (out, in, 1, 1): see from_pointwise
    Tensor bias;    // (out), or undefined
    std::shared_ptr<PackedWeights> packed;
    std::shared_ptr<const Lora> lora;  // or null
    Arithmetic arithmetic = Arithmetic::float32;
    Linear() = default;
    Linear(Weights& weights, const std::string& prefix, std::int64_t in, std::int64_t out,
           bool with_bias = true);
    // A 1x1 convolution, which is a Linear over channels. The weight keeps the shape it has on
    // disk, so that the parameter is the one the checkpoint names.
    static Linear from_pointwise(Weights& weights, const std::string& prefix, std::int64_t in,
                                 std::int64_t out);
    // W x + b, + residual where it is given (the result's shape).
    Tensor operator()(const Tensor& x, const Tensor& residual = {}) const;
    FusedLayer fused() const;
};

// x: (B, in, H, W) -> (B, out, H', W').
struct Conv2d {
    Tensor weight;  // (out, in, k, k), channels_last
    Tensor bias;    // (out)
    std::int64_t stride = 1, padding = 0;
    std::shared_ptr<PackedWeights> packed;
    std::shared_ptr<const Lora> lora;  // or null
    Arithmetic arithmetic = Arithmetic::float32;
    Conv2d() = default;
    Conv2d(Weights& weights, const std::string& prefix, std::int64_t in, std::int64_t out,
           std::int64_t kernel, std::int64_t stride_ = 1, std::int64_t padding_ = 0);
    // extras: see FusedExtras.
    Tensor operator()(const Tensor& x, const FusedExtras& extras = {}) const;
    FusedLayer fused() const;
};

// x: (B, channels, ...), shape kept.
struct GroupNorm : GroupNormWeights {
    GroupNorm() = default;
    GroupNorm(Weights& weights, const std::string& prefix, std::int64_t groups_,
              std::int64_t channels, double eps_);
    Tensor operator()(const Tensor& x) const;
};

// x: (..., channels), shape kept.
struct LayerNorm {
    Tensor weight, bias;  // (channels)
    double eps = 1e-5;
    LayerNorm() = default;
    LayerNorm(Weights& weights, const std::string& prefix, std::int64_t channels,
              double eps_ = 1e-5);
    Tensor operator()(const Tensor& x) const;
};

// diffusers' ResnetBlock2D without its options: norm, SiLU, convolution, plus the time, norm, SiLU,
// convolution, plus the input.
struct Resnet {
    GroupNorm norm1, norm2;
    Conv2d conv1, conv2;
    std::optional<Linear> time;      // the U-Net's
    std::optional<Conv2d> shortcut;  // where the number of channels changes

    struct Shape {
        std::int64_t in = 0, out = 0;
        std::int64_t groups = 32;
        double eps = 1e-6;
        std::int64_t time_channels = 0;  // 0: takes no time
    };
    Resnet() = default;
    Resnet(Weights& weights, const std::string& prefix, const Shape& shape);
    // x: (B, in, H, W); time_bias: (B or 1, out), `time` of the time embedding after its SiLU;
    // undefined where the block takes no time. -> (B, out, H, W). By value: a caller that moves x
    // in lets it go before the second convolution, which for large pictures is the moment of the
    // most memory.
    Tensor operator()(Tensor x, const Tensor& time_bias = {}) const;
};

// conv(SiLU(norm(x))) + extras.
Tensor norm_silu_conv(const GroupNorm& norm, const Conv2d& conv, const Tensor& x,
                      const FusedExtras& extras = {});

// linear(norm(x)) at every pixel. x: (B, in, H, W) -> (B, out, H, W).
Tensor norm_linear(const GroupNorm& norm, const Linear& linear, const Tensor& x);

// conv over x made `height` by `width` by nearest-neighbour upsampling.
Tensor upsample_conv(const Conv2d& conv, const Tensor& x, at::IntArrayRef height_width);

// GEGLU (Shazeer, arXiv 2002.05202): value * gelu(gate), both halves of linear(x).
Tensor linear_geglu(const Linear& linear, const Tensor& x);

// Multi-head scaled-dot-product attention. q: (B, N, heads*d); k, v: (B, M, heads*d) -> (B, N,
// heads*d). bfloat16 arithmetic is for what takes no gradient.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads,
                 bool causal = false, Arithmetic arithmetic = Arithmetic::float32);

}  // namespace keepsake::pipeline
