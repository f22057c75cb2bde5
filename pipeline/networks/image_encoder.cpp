#include "pipeline/networks/image_encoder.h"

#include <utility>

#include "pipeline/error.h"
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
    config.image_size = fields.size("image_size", config.image_size);
    config.patch_size = fields.size("patch_size", config.patch_size);
    config.num_channels = fields.size("num_channels", config.num_channels);
    config.hidden_size = fields.size("hidden_size", config.hidden_size);
    config.intermediate_size = fields.size("intermediate_size", config.intermediate_size);
    config.num_hidden_layers = fields.size("num_hidden_layers", config.num_hidden_layers);
    fields.at_most("num_hidden_layers", config.num_hidden_layers, most_encoder_layers);
    config.num_attention_heads = fields.size("num_attention_heads", config.num_attention_heads);
    config.layer_norm_eps = fields.number("layer_norm_eps", config.layer_norm_eps);
    config.hidden_act = fields.text("hidden_act", config.hidden_act);
    check_clip_layer(fields, config.hidden_act, config.hidden_size, config.num_attention_heads);
    constexpr std::int64_t most_pixels = 4096;
    fields.at_most("image_size", config.image_size, most_pixels);
    if (config.patch_size > config.image_size)
        fields.reject("patch_size", "is larger than image_size");
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
    const std::int64_t side = config_.image_size, patch = config_.patch_size;
    if (pictures.dim() != 4 ||
        pictures.sizes().slice(1) != at::IntArrayRef({config_.num_channels, side, side}))
        throw Error("pictures", "should be (B, " + std::to_string(config_.num_channels) + ", " +
                                    std::to_string(side) + ", " + std::to_string(side) + ")");
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
