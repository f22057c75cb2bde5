#include "pipeline/networks/image_encoder.h"

#include <utility>

#include "pipeline/files/config_fields.h"

namespace keepsake::pipeline {

namespace {

std::string without_prefix(const std::string& name) {
    constexpr std::string_view prefix = "vision_model.";
    return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

}  // namespace

ImageEncoderConfig ImageEncoderConfig::from_json(const nlohmann::json& json) {
    ConfigFields fields(json, "image encoder config");
    ImageEncoderConfig config;
    config.read(fields);
    config.num_channels = fields.size("num_channels", config.num_channels);
    config.hidden_act = fields.text("hidden_act", config.hidden_act);
    check_clip_layer(fields, config.hidden_act, config.hidden_size, config.num_attention_heads);
    fields.only("model_type", "clip_vision_model");
    fields.finish();
    return config;
}

ImageEncoder::ImageEncoder(ImageEncoderConfig config, Weights weights)
    : config_(std::move(config)) {
    const std::int64_t width = config_.hidden_size, patch = config_.patch_size;
    const double eps = config_.layer_norm_eps;
    weights.rename(without_prefix);
    class_embedding_ = weights.take("embeddings.class_embedding", {width});
    patch_embedding_ = weights.take("embeddings.patch_embedding.weight",
                                    {width, config_.num_channels, patch, patch});
    position_embedding_ =
        weights.take("embeddings.position_embedding.weight", {config_.patches() + 1, width});
    pre_norm_ = {weights, "pre_layrnorm", width, eps};  // their spelling
    const ClipLayerShape shape{width,
                               config_.intermediate_size,
                               config_.num_attention_heads,
                               config_.layer_norm_eps,
                               config_.hidden_act == "quick_gelu",
                               /*causal=*/false};
    for (std::int64_t i = 0; i < config_.num_hidden_layers; ++i)
        layers_.emplace_back(weights, "encoder.layers." + std::to_string(i), shape);
    post_norm_ = {weights, "post_layernorm", width, eps};
    weights.finish([](const std::string& name) { return name == "embeddings.position_ids"; });
    parameters_ = weights.taken();
}

Tensor ImageEncoder::operator()(const Tensor& pictures) const {
    config_.check_pictures(pictures);
    const std::int64_t patch = config_.patch_size;
    const at::ScalarType working = pre_norm_.weight.scalar_type();
    Tensor x = at::conv2d(pictures.to(class_embedding_.device(), working),
                          patch_embedding_.to(working), {}, {patch, patch});
    x = x.flatten(2).transpose(1, 2);
    const Tensor first = class_embedding_.to(working).expand({x.size(0), 1, -1});
    x = pre_norm_((at::cat({first, x}, 1) + position_embedding_.to(working)).contiguous());
    for (const ClipLayer& layer : layers_) x = layer(x);
    return post_norm_(x.select(1, 0).contiguous());
}

}  // namespace keepsake::pipeline
