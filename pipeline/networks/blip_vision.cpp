#include "pipeline/networks/blip_vision.h"

#include <utility>

#include "pipeline/files/config_fields.h"

namespace keepsake::pipeline {

BlipVisionConfig BlipVisionConfig::from_json(const nlohmann::json& json) {
    ConfigFields fields(json, "BLIP's vision config");
    BlipVisionConfig config;
    config.read(fields);
    if (config.hidden_size % config.num_attention_heads != 0)
        fields.reject("num_attention_heads", "does not divide hidden_size");
    fields.only("hidden_act", "gelu");
    fields.only("model_type", "blip_vision_model");
    fields.finish();
    return config;
}

BlipVision::Layer::Layer(Weights& weights, const std::string& prefix,
                         const BlipVisionConfig& config)
    : norm1(weights, prefix + "layer_norm1", config.hidden_size, config.layer_norm_eps),
      norm2(weights, prefix + "layer_norm2", config.hidden_size, config.layer_norm_eps),
      qkv(weights, prefix + "self_attn.qkv", config.hidden_size, 3 * config.hidden_size),
      projection(weights, prefix + "self_attn.projection", config.hidden_size, config.hidden_size),
      fc1(weights, prefix + "mlp.fc1", config.hidden_size, config.intermediate_size),
      fc2(weights, prefix + "mlp.fc2", config.intermediate_size, config.hidden_size),
      heads(config.num_attention_heads) {}

Tensor BlipVision::Layer::operator()(const Tensor& x) const {
    const auto parts = qkv(norm1(x)).chunk(3, -1);
    const Tensor y = projection(attention(parts[0], parts[1], parts[2], heads), x);
    return fc2(at::gelu(fc1(norm2(y))), y);
}

BlipVision::BlipVision(BlipVisionConfig config, Weights weights) : config_(config) {
    const std::int64_t width = config_.hidden_size, patch = config_.patch_size;
    class_embedding_ = weights.take("embeddings.class_embedding", {1, 1, width});
    position_embedding_ =
        weights.take("embeddings.position_embedding", {1, config_.patches() + 1, width});
    patch_weight_ = weights.take("embeddings.patch_embedding.weight", {width, 3, patch, patch});
    patch_bias_ = weights.take("embeddings.patch_embedding.bias", {width});
    for (std::int64_t i = 0; i < config_.num_hidden_layers; ++i)
        layers_.emplace_back(weights, "encoder.layers." + std::to_string(i) + ".", config_);
    post_norm_ = {weights, "post_layernorm", width, config_.layer_norm_eps};
    weights.finish();
}

Tensor BlipVision::operator()(const Tensor& pictures) const {
    config_.check_pictures(pictures);
    const std::int64_t patch = config_.patch_size;
    const at::ScalarType working = post_norm_.weight.scalar_type();
    const Tensor patches = at::conv2d(pictures.to(patch_bias_.device(), working),
                                      patch_weight_.to(working), patch_bias_, {patch, patch});
    const Tensor first = class_embedding_.to(working).expand({patches.size(0), 1, -1});
    Tensor x = at::cat({first, patches.flatten(2).transpose(1, 2)}, 1);
    x = (x + position_embedding_.to(working)).contiguous();
    for (const Layer& layer : layers_) x = layer(x);
    return post_norm_(x);
}

}  // namespace keepsake::pipeline
