// The autoencoder of latent diffusion (Rombach et al., arXiv 2112.10752) as diffusers'
// AutoencoderKL computes it, or the tiny one in its place (tiny_vae.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/networks/layers.h"
#include "pipeline/networks/tiny_vae.h"

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
    // A tiny one: of the above only the channels, the widths, which are equal on all levels, and
    // the scaling factor, usually 1, are its own.
    std::optional<TinyVaeConfig> tiny = {};

    std::int64_t downscale() const { return std::int64_t{1} << (block_out_channels.size() - 1); }
    // From a diffusers config.json. Throws Error naming every key that is missing or not supported.
    static VaeConfig from_json(const nlohmann::json& config);
    // From a checkpoint's tensors, names as in diffusers; the scaling factor is SD's 0.18215, and 1
    // of a tiny one.
    // Throws Error naming a tensor that is needed to tell and is not there.
    static VaeConfig detect_from_weights(const Weights& weights);
};

// The diagonal Gaussian q(z|x). mean and logvar: (B, latent_channels, H/8, W/8) contiguous,
// unscaled, working dtype; logvar is clamped to [-30, 20]; undefined: the mean is all there is (a
// tiny VAE's), and nothing is drawn.
struct LatentDistribution {
    Tensor mean, logvar;
    // mean + exp(logvar / 2) * noise; the noise is drawn on the generator's device in the working
    // dtype, as diffusers' randn_tensor draws it.
    Tensor sample(at::Generator generator) const;
};

class Vae {
  public:
    // Takes every tensor (current diffusers names, or the older query/key/value/proj_attn ones,
    // whose weights may be 1x1 convolutions) and calls weights.finish(): throws Error naming all
    // that do not fit.
    Vae(VaeConfig config, Weights weights);

    // image: (B, 3, H, W) in [-1, 1]; H and W multiples of config().downscale(). Throws Error else.
    LatentDistribution encode(const Tensor& image) const;
    // z: (B, latent_channels, h, w), unscaled (latents / scaling_factor) -> (B, 3, 8h, 8w)
    // contiguous, working dtype, about [-1, 1], not clamped.
    Tensor decode(const Tensor& z) const;

    const VaeConfig& config() const { return config_; }
    const TensorMap& parameters() const { return parameters_; }

  private:
    struct Attention {
        GroupNorm norm;
        Linear q, k, v, out;
        Attention(Weights& weights, const std::string& prefix, std::int64_t channels,
                  std::int64_t groups);
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
    Half take_encoder(Weights& weights) const;
    Half take_decoder(Weights& weights) const;
    Mid take_mid(Weights& weights, const std::string& prefix) const;

    VaeConfig config_;
    Half encoder_, decoder_;
    std::optional<Conv2d> quant_conv_, post_quant_conv_;
    std::optional<TinyVae> tiny_;  // in place of all of these
    TensorMap parameters_;
};

}  // namespace keepsake::pipeline
