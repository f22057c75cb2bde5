// What the image transformers of CLIP and BLIP have in common (ViT, Dosovitskiy et al., arXiv
// 2010.11929).
#pragma once

#include <cstdint>

#include "pipeline/networks/layers.h"

namespace keepsake::pipeline {

class ConfigFields;

struct VisionSizes {
    std::int64_t image_size = 224;  // pixels, of a square
    std::int64_t patch_size = 32;
    std::int64_t num_channels = 3;
    std::int64_t hidden_size = 768;
    std::int64_t intermediate_size = 3072;
    std::int64_t num_hidden_layers = 12;
    std::int64_t num_attention_heads = 12;
    double layer_norm_eps = 1e-5;

    std::int64_t patches() const { return (image_size / patch_size) * (image_size / patch_size); }
    // From a transformers config, but for num_channels; sizes that fit no network are noted in
    // `fields`. Whether the heads divide the width is for the layers to say.
    void read(ConfigFields& fields);
    // Throws Error where pictures are not (B, num_channels, image_size, image_size).
    void check_pictures(const Tensor& pictures) const;
};

}  // namespace keepsake::pipeline
