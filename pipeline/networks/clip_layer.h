// One layer of CLIP's transformers, of texts and of pictures alike (Radford et al., arXiv
// 2103.00020), as transformers' CLIPEncoderLayer computes it.
#pragma once

#include <string>

#include "pipeline/networks/layers.h"

namespace keepsake::pipeline {

class ConfigFields;

// What the configs of both say of their layers.
struct ClipLayerShape {
    std::int64_t width = 0, intermediate = 0, heads = 1;
    double eps = 1e-5;
    bool quick_gelu = true;  // x sigmoid(1.702 x); else gelu
    bool causal = false;     // each place sees those before it alone
};

// Notes in `fields` an activation that is not known, and heads that do not divide the width.
void check_clip_layer(ConfigFields& fields, const std::string& hidden_act, std::int64_t hidden_size,
                      std::int64_t num_attention_heads);

class ClipLayer {
  public:
    // prefix: "encoder.layers.0". Takes its tensors from `weights`.
    ClipLayer(Weights& weights, const std::string& prefix, const ClipLayerShape& shape);
    // x: (B, T, width) -> the same shape.
    Tensor operator()(const Tensor& x) const;

  private:
    ClipLayerShape shape_;
    LayerNorm norm1_, norm2_;
    Linear q_, k_, v_, out_, fc1_, fc2_;
};

}  // namespace keepsake::pipeline
