// The attention blocks of the U-Net: diffusers' Transformer2DModel with its BasicTransformerBlock.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pipeline/networks/layers.h"

namespace keepsake::pipeline {

// What the transformers of one level have in common.
struct TransformerShape {
    std::int64_t channels = 0;
    std::int64_t heads = 1;
    std::int64_t context_channels = 0;
    std::int64_t layers = 1;
    std::int64_t norm_groups = 32;
    bool linear_projection = false;  // SD 2.x; else 1x1 convolutions, SD 1.x
    bool upcast = false;             // compute attention in float32 whatever the working precision
};

// The keys and values of a text, which are the same at every step of a sampling. Kept for the last
// context that was given, until it or a weight is written. Copies of a layer share the weights, so
// they share this.
class ContextKeys {
  public:
    struct Pair {
        Tensor k, v;  // (B, M, channels)
    };
    // Without a gradient.
    Pair get(const Linear& k, const Linear& v, const Tensor& context);

  private:
    std::mutex mutex_;
    Tensor context_;
    std::array<std::int64_t, 3> versions_{};  // of the context and the two weights
    Pair pair_;
};

struct CrossAttention {
    Linear q, k, v, out;
    std::shared_ptr<ContextKeys> keys = std::make_shared<ContextKeys>();
    std::int64_t heads = 1;
    bool upcast = false;
    CrossAttention(Weights& weights, const std::string& prefix, const TransformerShape& shape,
                   std::int64_t context_channels);
    // x: (B, N, channels); context: (B, M, context_channels) -> residual + attention, (B, N,
    // channels). layout: see UNet, without a gradient and of self-attention alone.
    Tensor operator()(const Tensor& x, const Tensor& context, const Tensor& residual,
                      const Tensor& layout = {}) const;
    // How much each place of x looks at each token of the context, without a gradient: the mean
    // over the heads, (B, N, M) float32, whose rows add up to 1.
    Tensor shares(const Tensor& x, const Tensor& context) const;
};

struct TransformerBlock {
    LayerNorm norm1, norm2, norm3;
    CrossAttention self, cross;
    Linear geglu, out;  // the feed-forward: Shazeer, arXiv 2002.05202, GEGLU
    TransformerBlock(Weights& weights, const std::string& prefix, const TransformerShape& shape);
    // x: (B, N, channels); context: (B, T, context_channels) -> (B, N, channels). layout: see UNet.
    Tensor operator()(const Tensor& x, const Tensor& context, const Tensor& layout = {}) const;
};

struct Transformer {
    GroupNorm norm;
    Linear proj_in, proj_out;
    std::vector<TransformerBlock> blocks;
    Transformer() = default;
    Transformer(Weights& weights, const std::string& prefix, const TransformerShape& shape);
    // x: (B, channels, H, W); context: (B, T, context_channels) -> (B, channels, H, W). layout: see
    // UNet.
    Tensor operator()(const Tensor& x, const Tensor& context, const Tensor& layout = {}) const;
    // CrossAttention::shares of its first block, (B, T, H, W) float32.
    Tensor shares(const Tensor& x, const Tensor& context) const;
};

}  // namespace keepsake::pipeline
