// BLIP's image transformer (Li et al., arXiv 2201.12086; ViT, Dosovitskiy et al., arXiv 2010.11929)
// as transformers' BlipVisionModel computes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "pipeline/networks/layers.h"
#include "pipeline/networks/vision_sizes.h"

namespace keepsake::pipeline {

// Defaults: transformers' BlipVisionConfig, of which a config.json tells only what differs.
struct BlipVisionConfig : VisionSizes {
    BlipVisionConfig() { image_size = 384, patch_size = 16; }
    // From the `vision_config` of a transformers config.json. Throws Error naming every key that is
    // not supported.
    static BlipVisionConfig from_json(const nlohmann::json& config);
};

class BlipVision {
  public:
    // Takes every tensor from `weights` (names without "vision_model.") and calls weights.finish():
    // throws Error naming all tensors that do not fit.
    BlipVision(BlipVisionConfig config, Weights weights);

    // pictures: (B, 3, image_size, image_size), normalised as the model wants it -> (B, patches +
    // 1, hidden_size): all of them, the class token first. Throws Error naming another shape.
    Tensor operator()(const Tensor& pictures) const;

    const BlipVisionConfig& config() const { return config_; }

  private:
    // Norms before, and not after; q, k and v in one product.
    struct Layer {
        LayerNorm norm1, norm2;
        Linear qkv, projection, fc1, fc2;
        std::int64_t heads = 1;
        Layer(Weights& weights, const std::string& prefix, const BlipVisionConfig& config);
        Tensor operator()(const Tensor& x) const;
    };

    BlipVisionConfig config_;
    Tensor class_embedding_, position_embedding_, patch_weight_, patch_bias_;
    std::vector<Layer> layers_;
    LayerNorm post_norm_;
};

}  // namespace keepsake::pipeline
