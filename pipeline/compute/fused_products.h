// What the fused layers are made of: the kernels of kernels.h on tensors. Used by fused_layers.cpp
// alone; all tensors float32 on CPU.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "pipeline/compute/fused_layers.h"
#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline::fused {

// The shape of one call.
struct Geometry {
    std::int64_t batch = 1, height = 1, width = 1;  // of x, in pixels; a matrix is one row of them
    std::int64_t in = 0, out = 0;
    std::int64_t kernel = 1, stride = 1, padding = 0, upscale = 1;

    std::int64_t padded_height() const { return upscale * height + 2 * padding; }
    std::int64_t padded_width() const { return upscale * width + 2 * padding; }
    std::int64_t out_height() const { return (padded_height() - kernel) / stride + 1; }
    std::int64_t out_width() const { return (padded_width() - kernel) / stride + 1; }
    std::int64_t rows() const { return batch * out_height() * out_width(); }
    bool picture = false;  // or a matrix
};

Geometry geometry_of(const FusedLayer& layer, const Tensor& x);
// What a picture says of itself.
Geometry picture(const Tensor& x);
// The rows of a plain matrix.
Geometry matrix(std::int64_t rows, std::int64_t in, std::int64_t out);

Tensor in_rows(const Tensor& x);  // channels_last, or contiguous
const float* data_or_null(const Tensor& t);
// Empty: (B, channels, out_height, out_width) channels_last, or x's shape with `channels` last.
Tensor result_like(const Geometry& g, const Tensor& x, std::int64_t channels);
// Calls work(begin, end) for runs of `run` of `count` things, shared among LibTorch's threads.
void share_runs(std::int64_t count, std::int64_t run,
                const std::function<void(std::int64_t, std::int64_t)>& work);

// What a group norm of x reads, where it keeps its mean and scale (stats: (2, B, groups)), and how
// it goes on; where it writes is left open.
kernels::GroupNorm norm_job(const GroupNormWeights& norm, const Geometry& g, const Tensor& x,
                            const Tensor& stats, bool silu);
// A group norm's mean and scale, measured: (2, B, groups); undefined without a norm.
Tensor norm_stats(const GroupNormWeights* norm, const Tensor& x);

// The group norm alone. x: (B, C, H, W) channels_last.
Tensor normalise(const GroupNormWeights& norm, const Tensor& x);

// What the product reads: x itself, or normalised by `stats`, upscaled and with its border.
Tensor prepare(const FusedLayer& layer, const Geometry& g, const Tensor& x, const Tensor& stats);

kernels::RowLayout dense_rows(std::int64_t rows, std::int64_t columns);
kernels::Product product_job(const Geometry& g, const Tensor& prepared);
// Those of the layer's arithmetic, where they take its sizes; else float32's.
const kernels::Kernels& kernels_of(const FusedLayer& layer, const Geometry& g);
const kernels::Kernels& kernels_of(Arithmetic arithmetic, const Geometry& g);
// The layer's weight as `k` reads it: kept, or made for this call.
Tensor panels_of(const kernels::Kernels& k, const FusedLayer& layer, PackedWeights::Kind kind);
// Has the product read the layer's weight: panels, which are returned and must outlive the
// product; or the weight itself, packed on the way.
Tensor use_weight(const kernels::Kernels& k, const FusedLayer& layer, kernels::Product& job);
void run_product(const kernels::Kernels& k, const kernels::Product& job);
// Several at once: the threads wait for each other once, not after each.
void run_products(const kernels::Kernels& k, const std::vector<kernels::Product>& jobs);

// Whether Winograd's convolution pays; `kept`: its weights are turned once, not at each call.
bool suits_winograd(const kernels::Kernels& k, const Geometry& g, bool kept);
// prepared: (B, in, H + 2, W + 2); packed: PackedWeights' winograd kinds. What is added, and where
// the result goes: as in Product.
void run_winograd(const kernels::Kernels& k, const Geometry& g, const Tensor& prepared,
                  const Tensor& packed, const kernels::Product& added);

struct Forward {
    Tensor y;
    Tensor
        low;  // (rows, rank): what the low-rank half has in its middle, scaled; empty without one
};
// stays: of the LoRA's dropout, or undefined.
Forward forward(const FusedLayer& layer, const Tensor& x, const FusedExtras& extras,
                const Tensor& stats, const Tensor& stays = {});

// dL/d(prepared input, without its border), from dy and the weight of a convolution whose geometry
// is g. Added to `add_to` where that is defined.
Tensor input_gradient(Arithmetic arithmetic, const Tensor& weight, PackedWeights& packed_weight,
                      const Geometry& g, const Tensor& dy, const Tensor& add_to = {});
Tensor weight_gradient(Arithmetic arithmetic, const Tensor& weight, const Geometry& g,
                       const Tensor& prepared, const Tensor& dy);
// dL/d(what the low-rank half has in its middle), in the shape of a picture where dy is one.
Tensor lora_gradient(const Lora& lora, const Geometry& g, const Tensor& dy, const Tensor& stays);

struct NormGradients {
    Tensor x, weight, bias;  // the last two undefined where only x is asked for
};
enum class NormLearns { no, yes };
NormGradients norm_gradient(const FusedLayer& layer, const Geometry& g, const Tensor& x,
                            const Tensor& stats, const Tensor& d, NormLearns learns);

// What a layer norm of contiguous x reads; where it writes is left open.
kernels::LayerNorm layer_norm_job(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                  double eps);

}  // namespace keepsake::pipeline::fused
