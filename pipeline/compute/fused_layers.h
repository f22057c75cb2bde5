// Group norm, SiLU, convolution (or matrix product), time embedding and residual as one pass over
// memory each way, by the kernels of kernels.h. Differentiable: LibTorch's autograd sees one node.
// layers.h uses this where it applies and ATen everywhere else; both compute the same.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "pipeline/compute/arithmetic.h"
#include "pipeline/compute/lora_dropout.h"
#include "pipeline/compute/packed_weights.h"

namespace keepsake::pipeline {

using at::Tensor;

// (B, C, H, W) in channels_last -> (B, H*W, C), a view; and back, x being the picture whose H and W
// are meant.
Tensor to_tokens(const Tensor& x);
Tensor from_tokens(const Tensor& tokens, const Tensor& x);

// A group norm's numbers (layers.h has the layer). Of pictures with `channels` channels.
struct GroupNormWeights {
    Tensor weight, bias;  // (channels)
    std::int64_t groups = 32;
    double eps = 1e-5;
};

// A low-rank addition to one weight: W + scale up down (Hu et al., arXiv 2106.09685, eq. 3 and
// section 4.1). It is computed beside W x, so that W is neither changed nor copied and only the
// small matrices learn.
struct Lora {
    Tensor down;  // (rank, in), or (rank, in, k, k) channels_last, as the weight
    Tensor up;    // (out, rank), or (out, rank, 1, 1)
    std::shared_ptr<PackedWeights> packed_down = std::make_shared<PackedWeights>();
    std::shared_ptr<PackedWeights> packed_up = std::make_shared<PackedWeights>();
    // alpha / rank while it learns, apart from `up`, because the optimiser's steps are those of up;
    // of a LoRA that was read it is in `up`.
    double scale = 1;
    LoraDropout dropout = {};  // of passes that are differentiated
};

// What the low-rank half has in its middle is multiplied by this, where `dropped` as well for what
// is left out.
double middle_factor(const Lora& lora, bool dropped);

// One layer: convolution(silu(norm(x))) + bias, each part but the product optional.
struct FusedLayer {
    const GroupNormWeights* norm = nullptr;
    bool silu = false;
    Tensor weight;  // (out, in), or (out, in, k, k) channels_last
    Tensor bias;    // (out) or undefined
    // Null: pack on the way, at each call. That costs time in proportion to the weight, and saves a
    // second copy of it.
    std::shared_ptr<PackedWeights> packed;
    std::shared_ptr<const Lora> lora;  // or null
    std::int64_t stride = 1, padding = 0;
    std::int64_t upscale = 1;  // nearest-neighbour, before the convolution; without `norm`
    // Of the product with `weight` where no gradient is taken; where one is, learning_arithmetic()
    // counts. Layers whose number of inputs or outputs is no multiple of 32, and the LoRA, are
    // float32 all the same.
    Arithmetic arithmetic = Arithmetic::float32;
};

// Whether there are kernels for this tensor: float32 on a CPU that has them.
bool runs_on_kernels(const Tensor& t);

// Whether the kernels take this: float32 on a CPU that has them, channels that divide.
bool can_fuse(const Tensor& x, const FusedLayer& layer);

// What is added to the product.
struct FusedExtras {
    Tensor group_bias;  // (B or 1, out): to every pixel of a picture; or undefined
    Tensor residual;    // the result's shape; or undefined
};

// x: (B, in, H, W) channels_last, or (..., in) contiguous -> (B, out, H', W') channels_last, or
// (..., out). Float32 on CPU. Call only where can_fuse().
Tensor run_fused(const FusedLayer& layer, const Tensor& x, const FusedExtras& extras = {});

// Matrices of one shape and arithmetic without norm, LoRA and gradient, over the same input:
// run_fused() of each, in one go. x: (..., in) contiguous -> (..., out) each. Call only where
// can_fuse() of each.
std::vector<Tensor> run_together(const std::vector<FusedLayer>& layers, const Tensor& x);

// value * gelu(gate) of h: (..., 2 c), value first -> (..., c) (Shazeer, arXiv 2002.05202, GEGLU;
// gelu by the error function). Float32 on CPU, c a multiple of 16.
Tensor fused_geglu(const Tensor& h);

// The product with (2 c, in) and GEGLU after it, without a gradient. Call only where can_fuse().
Tensor product_geglu(const FusedLayer& layer, const Tensor& x);

// Whether the kernels take this group norm; and it, without a gradient. x: (B, C, H, W) float32 on
// CPU -> the same shape, channels_last.
bool can_fuse(const Tensor& x, const GroupNormWeights& norm);
Tensor fused_group_norm(const GroupNormWeights& norm, const Tensor& x);

// As at::layer_norm over the last dimension, without a gradient. Channels a multiple of 16.
Tensor fused_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);

}  // namespace keepsake::pipeline
