#include "pipeline/networks/text_encoder.h"

#include <algorithm>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/config_fields.h"

namespace keepsake::pipeline {

namespace {

constexpr std::string_view old_prefix = "text_model.";

std::string without_prefix(const std::string& name) {
    return name.starts_with(old_prefix) ? name.substr(old_prefix.size()) : name;
}

std::string layer_prefix(std::int64_t index) {
    return "encoder.layers." + std::to_string(index);
}

}  // namespace

TextEncoderConfig TextEncoderConfig::from_json(const nlohmann::json& json) {
    ConfigFields fields(json, "text encoder config");
    TextEncoderConfig config;
    config.vocab_size = fields.size("vocab_size");
    config.hidden_size = fields.size("hidden_size");
    config.intermediate_size = fields.size("intermediate_size");
    config.num_hidden_layers = fields.size("num_hidden_layers");
    fields.at_most("num_hidden_layers", config.num_hidden_layers, most_encoder_layers);
    config.num_attention_heads = fields.size("num_attention_heads");
    config.max_position_embeddings =
        fields.size("max_position_embeddings", config.max_position_embeddings);
    config.layer_norm_eps = fields.number("layer_norm_eps", config.layer_norm_eps);
    config.hidden_act = fields.text("hidden_act", config.hidden_act);
    check_clip_layer(fields, config.hidden_act, config.hidden_size, config.num_attention_heads);
    fields.only("model_type", "clip_text_model");
    fields.finish();
    return config;
}

TextEncoderConfig TextEncoderConfig::detect_from_weights(const Weights& weights) {
    const std::string prefix =
        weights.contains("text_model.embeddings.token_embedding.weight") ? "text_model." : "";
    const auto matrix = [&](const std::string& name) {
        const auto shape = weights.shape(prefix + name);
        if (shape.size() != 2)
            throw Error("text encoder", shape.empty() ? "has no tensor " + name
                                                      : name + " should have two dimensions");
        return shape;
    };
    TextEncoderConfig config;
    const auto token_embedding = matrix("embeddings.token_embedding.weight");
    config.vocab_size = token_embedding[0];
    config.hidden_size = token_embedding[1];
    config.max_position_embeddings = matrix("embeddings.position_embedding.weight")[0];
    config.intermediate_size = matrix(layer_prefix(0) + ".mlp.fc1.weight")[0];
    config.num_hidden_layers = 1;
    while (weights.contains(prefix + layer_prefix(config.num_hidden_layers) + ".mlp.fc1.weight"))
        ++config.num_hidden_layers;
    config.num_attention_heads = std::max<std::int64_t>(config.hidden_size / 64, 1);
    const bool open_clip = config.hidden_size == 1024;  // OpenCLIP ViT-H, the encoder of SD 2.x
    config.hidden_act = open_clip ? "gelu" : "quick_gelu";
    config.skip_last_layers = open_clip && config.num_hidden_layers == 24 ? 1 : 0;
    return config;
}

TextEncoder::TextEncoder(TextEncoderConfig config, Weights weights) : config_(std::move(config)) {
    const std::int64_t width = config_.hidden_size;
    const std::int64_t used = config_.num_hidden_layers - config_.skip_last_layers;
    if (used < 1) throw Error("text encoder config", "skip_last_layers leaves no layer");
    weights.rename(without_prefix);
    token_embedding_ =
        weights.take("embeddings.token_embedding.weight", {config_.vocab_size, width});
    position_embedding_ = weights.take("embeddings.position_embedding.weight",
                                       {config_.max_position_embeddings, width});
    const ClipLayerShape shape{width,
                               config_.intermediate_size,
                               config_.num_attention_heads,
                               config_.layer_norm_eps,
                               config_.hidden_act == "quick_gelu",
                               /*causal=*/true};
    for (std::int64_t i = 0; i < used; ++i) layers_.emplace_back(weights, layer_prefix(i), shape);
    final_norm_ = {weights, "final_layer_norm", width, config_.layer_norm_eps};
    weights.finish([&](const std::string& name) {
        if (name == "embeddings.position_ids" || name == "text_projection.weight") return true;
        for (std::int64_t i = used; i < config_.num_hidden_layers; ++i)
            if (name.starts_with(layer_prefix(i) + ".")) return true;
        return false;
    });
    parameters_ = weights.taken();
}

TextEncoder TextEncoder::with_tokens(const Tensor& rows) const {
    if (rows.dim() != 2 || rows.size(1) != config_.hidden_size)
        throw Error("added tokens",
                    "should be vectors of width " + std::to_string(config_.hidden_size));
    TextEncoder extended = *this;
    extended.added_.push_back(rows);
    return extended;
}

std::int64_t TextEncoder::vocabulary_size() const {
    std::int64_t size = config_.vocab_size;
    for (const Tensor& rows : added_) size += rows.size(0);
    return size;
}

Tensor TextEncoder::embed(const Tensor& ids) const {
    if (added_.empty()) return at::embedding(token_embedding_, ids);
    const Tensor own = at::embedding(token_embedding_, ids.clamp_max(config_.vocab_size - 1));
    const Tensor rows = added_.size() == 1 ? added_[0] : at::cat(added_);
    const Tensor more = at::embedding(rows, (ids - config_.vocab_size).clamp_min(0));
    return at::where((ids >= config_.vocab_size).unsqueeze(-1), more, own.to(more.scalar_type()));
}

Tensor TextEncoder::operator()(const Tensor& ids) const {
    if (ids.dim() != 2 || ids.scalar_type() != at::kLong)
        throw Error("token ids", "should be (B, T) int64");
    if (ids.size(1) > config_.max_position_embeddings)
        throw Error("token ids", std::to_string(ids.size(1)) + " tokens, the text encoder takes " +
                                     std::to_string(config_.max_position_embeddings));
    if (ids.numel() > 0) {
        const auto [lowest, highest] = at::aminmax(ids);
        if (lowest.item<std::int64_t>() < 0 || highest.item<std::int64_t>() >= vocabulary_size())
            throw Error("token ids", "out of range: the vocabulary has " +
                                         std::to_string(vocabulary_size()) + " tokens");
    }
    // The embeddings may be kept in half precision, the norms never are.
    const at::ScalarType working = final_norm_.weight.scalar_type();
    Tensor x = embed(ids.to(token_embedding_.device())).to(working) +
               position_embedding_.slice(0, 0, ids.size(1)).to(working);
    for (const ClipLayer& layer : layers_) x = layer(x);
    return final_norm_(x);
}

}  // namespace keepsake::pipeline
