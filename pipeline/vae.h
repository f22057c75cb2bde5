// The autoencoder of latent diffusion (Rombach et al., arXiv 2112.10752) as diffusers'
// AutoencoderKL computes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "pipeline/layers.h"

namespace keepsake::pipeline {

struct VaeConfig {
    std::int64_t in_channels = 3;
    std::int64_t out_channels = 3;
    std::int64_t latent_channels = 4;
    std::vector<std::int64_t> block_out_channels = {128, 256, 512, 512};
    std::int64_t layers_per_block = 2;
    std::int64_t norm_num_groups = 32;
    double scaling_factor = 0.18215;  // latents = scaling_factor * z
    bool use_quant_conv = true;
    bool use_post_quant_conv = true;
    bool mid_block_add_attention = true;

    std::int64_t downscale() const { return std::int64_t{1} << (block_out_channels.size() - 1); }
    // From a diffusers config.json. Throws Error naming a key that is missing or not supported.
    static VaeConfig from_json(const nlohmann::json& config);
    // From a checkpoint's tensors, names as in diffusers; the scaling factor is SD's 0.18215.
    static VaeConfig detect_from_weights(const Weights& weights);
};

// The diagonal Gaussian q(z|x). mean and logvar: (B, latent_channels, H/8, W/8), unscaled, working
// dtype; logvar is clamped to [-30, 20].
struct LatentDistribution {
    Tensor mean, logvar;
    Tensor sample(at::Generator generator) const;  // mean + exp(logvar / 2) * noise
};

class Vae {
  public:
    // Takes every tensor (current diffusers names, or the older query/key/value/proj_attn ones) and
    // calls weights.finish().
    Vae(VaeConfig config, Weights weights);

    // image: (B, 3, H, W) in [-1, 1]; H and W multiples of config().downscale(). Throws Error else.
    LatentDistribution encode(const Tensor& image) const;
    // z: (B, latent_channels, h, w), unscaled (latents / scaling_factor) -> (B, 3, 8h, 8w), about
    // [-1, 1], not clamped.
    Tensor decode(const Tensor& z) const;

    const VaeConfig& config() const { return config_; }
    const TensorMap& parameters() const { return parameters_; }

  private:
    struct Resnet {
        GroupNorm norm1, norm2;
        Conv2d conv1, conv2;
        std::optional<Conv2d> shortcut;
        Tensor operator()(const Tensor& x) const;
    };
    struct Attention {
        GroupNorm norm;
        Linear q, k, v, out;
        Tensor operator()(const Tensor& x) const;
    };
    struct Mid {
        Resnet resnet0, resnet1;
        std::optional<Attention> attention;
        Tensor operator()(const Tensor& x) const;
    };
    struct Stage {
        std::vector<Resnet> resnets;
        std::optional<Conv2d>
            resample;  // down: after (0,1,0,1) padding, stride 2; up: after nearest 2x
    };
    struct Half {
        Conv2d conv_in, conv_out;
        std::vector<Stage> stages;
        Mid mid;
        GroupNorm norm_out;
    };

    VaeConfig config_;
    Half encoder_, decoder_;
    std::optional<Conv2d> quant_conv_, post_quant_conv_;
    TensorMap parameters_;
};

}  // namespace keepsake::pipeline
