// The tiny autoencoder of latent diffusion models (TAESD, github.com/madebyollin/taesd) as
// diffusers' AutoencoderTiny computes it: residual blocks of three convolutions, no norm, no
// attention. Some forty times quicker than the VAE whose latents it knows, and a little softer.
#pragma once

#include <vector>

#include "pipeline/networks/layers.h"

namespace keepsake::pipeline {

struct TinyVaeConfig {
    // Residual blocks on each level, from the picture's size down and from the latents' up.
    std::vector<std::int64_t> encoder_blocks = {1, 3, 3, 3}, decoder_blocks = {3, 3, 3, 1};
    std::int64_t encoder_width = 64, decoder_width = 64;  // channels
};

class TinyVae {
  public:
    struct Channels {
        std::int64_t picture_in = 3, picture_out = 3, latents = 4;
    };
    // Takes the tensors encoder.layers.N... and decoder.layers.N...; what is missing or does not
    // fit is noted in `weights`.
    TinyVae(const TinyVaeConfig& config, const Channels& channels, Weights& weights);

    // image: (B, 3, H, W) in [-1, 1] -> (B, latents, H / 8, W / 8), as the U-Net takes them.
    Tensor encode(const Tensor& image) const;
    // -> (B, 3, 8h, 8w), about [-1, 1], not clamped. Both in the weights' dtype, channels_last.
    Tensor decode(const Tensor& latents) const;

  private:
    struct Block {
        Conv2d first, second, third;
        Tensor operator()(const Tensor& x) const;
    };
    struct Level {
        Conv2d resample;  // of the encoder: before the blocks; of the decoder: after them
        std::vector<Block> blocks;
    };
    static Block take_block(Weights& weights, const std::string& prefix, std::int64_t width);

    std::vector<Level> down_, up_;
    Conv2d encoder_out_, decoder_in_;
};

}  // namespace keepsake::pipeline
