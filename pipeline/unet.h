// The denoising U-Net of Stable Diffusion 1.x and 2.x as diffusers' UNet2DConditionModel computes
// it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/layers.h"

namespace keepsake::pipeline {

struct UNetConfig {
    std::int64_t in_channels = 4;
    std::int64_t out_channels = 4;
    std::int64_t sample_size = 64;  // the side it was trained at, in latents
    std::vector<std::int64_t> block_out_channels = {320, 640, 1280, 1280};
    std::vector<bool> down_attention = {true, true, true,
                                        false};  // CrossAttnDownBlock2D or DownBlock2D
    std::vector<bool> up_attention = {false, true, true, true};
    std::int64_t layers_per_block = 2;
    std::vector<std::int64_t> num_heads = {
        8, 8, 8, 8};  // a level each, down order (diffusers calls it attention_head_dim)
    std::int64_t transformer_layers_per_block = 1;
    std::int64_t cross_attention_dim = 768;
    std::int64_t norm_num_groups = 32;
    double norm_eps = 1e-5;
    bool use_linear_projection = false;
    bool upcast_attention = false;
    bool flip_sin_to_cos = true;
    double freq_shift = 0;

    // From a diffusers config.json. Throws Error naming a key whose value is missing or not
    // supported.
    static UNetConfig from_json(const nlohmann::json& config);
    // From a checkpoint's tensors (diffusers names). Heads follow SD's conventions: 8 a level with
    // 1x1-convolution projections (SD 1.x), 64 channels a head with linear ones (SD 2.x).
    static UNetConfig detect_from_weights(const Weights& weights);
};

class UNet {
  public:
    // Takes every tensor and calls weights.finish(): throws Error naming all that do not fit.
    UNet(UNetConfig config, Weights weights);

    // sample: (B, in_channels, h, w), scaled latents; timestep: (B) or (1) float32, may be
    // fractional; encoder_hidden_states: (B, T, cross_attention_dim). Returns the model's
    // prediction (epsilon or v, as it was trained), shaped like sample. h and w need not be
    // multiples of 8.
    Tensor operator()(const Tensor& sample, const Tensor& timestep,
                      const Tensor& encoder_hidden_states) const;

    const UNetConfig& config() const { return config_; }
    // Every weight by its diffusers name; the tensors are the layers' own, so requires_grad_() and
    // in-place updates of these reach the model.
    const TensorMap& parameters() const { return parameters_; }
    // The same network on fresh copies of its weights: what fine-tuning starts from.
    UNet clone() const;

  private:
    struct Resnet {
        GroupNorm norm1, norm2;
        Conv2d conv1, conv2;
        Linear time;
        std::optional<Conv2d> shortcut;
        Tensor operator()(const Tensor& x, const Tensor& time_embedding) const;
    };
    struct Attention {
        Linear q, k, v, out;
        std::int64_t heads = 1;
        Tensor operator()(const Tensor& x, const Tensor& context) const;
    };
    struct TransformerBlock {
        LayerNorm norm1, norm2, norm3;
        Attention self, cross;
        Linear geglu, out;
        Tensor operator()(const Tensor& x, const Tensor& context) const;
    };
    struct Transformer {
        GroupNorm norm;
        Linear proj_in, proj_out;  // 1x1 convolutions are the same thing on (B, HW, C)
        std::vector<TransformerBlock> blocks;
        Tensor operator()(const Tensor& x, const Tensor& context) const;
    };
    struct Stage {
        std::vector<Resnet> resnets;
        std::vector<Transformer> transformers;  // empty, or one per resnet
        std::optional<Conv2d> resample;
    };

    UNetConfig config_;
    Conv2d conv_in_, conv_out_;
    Linear time1_, time2_;
    std::vector<Stage> down_, up_;
    Resnet mid0_, mid1_;
    Transformer mid_transformer_;
    GroupNorm norm_out_;
    TensorMap parameters_;
};

}  // namespace keepsake::pipeline
