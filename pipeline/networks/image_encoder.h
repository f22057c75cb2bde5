// CLIP's image transformer (Radford et al., arXiv 2103.00020; ViT, Dosovitskiy et al., arXiv
// 2010.11929) as transformers' CLIPVisionModel computes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "pipeline/networks/clip_layer.h"
#include "pipeline/networks/vision_sizes.h"

namespace keepsake::pipeline {

struct ImageEncoderConfig : VisionSizes {
    std::string hidden_act = "quick_gelu";  // quick_gelu, gelu

    // From the `vision_config` of a transformers config.json. Throws Error naming every key that is
    // missing or not supported.
    static ImageEncoderConfig from_json(const nlohmann::json& config);
};

class ImageEncoder {
  public:
    // Takes every tensor from `weights` (names with or without the prefix "vision_model.") and
    // calls weights.finish(): throws Error naming all tensors that do not fit. Passed over:
    // position_ids of older files.
    ImageEncoder(ImageEncoderConfig config, Weights weights);

    // pictures: (B, num_channels, image_size, image_size), normalised as the model wants it -> (B,
    // hidden_size): the class token after post_layernorm. Throws Error naming another shape.
    Tensor operator()(const Tensor& pictures) const;

    const ImageEncoderConfig& config() const { return config_; }
    const TensorMap& parameters() const { return parameters_; }  // by name, without the prefix

  private:
    ImageEncoderConfig config_;
    Tensor class_embedding_, patch_embedding_, position_embedding_;
    LayerNorm pre_norm_, post_norm_;
    std::vector<ClipLayer> layers_;
    TensorMap parameters_;
};

}  // namespace keepsake::pipeline
