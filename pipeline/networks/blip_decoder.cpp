#include "pipeline/networks/blip_decoder.h"

#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/config_fields.h"

namespace keepsake::pipeline {
namespace {

constexpr std::string_view twice = "cls.predictions.decoder.";
constexpr std::string_view words_name = "bert.embeddings.word_embeddings.weight";
constexpr std::string_view bias_name = "cls.predictions.bias";

std::int64_t token_id(ConfigFields& fields, const char* key, std::int64_t fallback,
                      std::int64_t vocabulary) {
    const std::int64_t id = fields.size(key, fallback);
    if (id >= vocabulary) fields.reject(key, "is outside of the vocabulary");
    return id;
}

// Tied tensors may stand under either name.
void take_tied_names(Weights& weights) {
    const auto lacks = [&](std::string_view name) { return !weights.contains(std::string(name)); };
    const bool words = lacks(words_name), bias = lacks(bias_name);
    weights.rename([=](const std::string& name) {
        if (words && name == std::string(twice) + "weight") return std::string(words_name);
        if (bias && name == std::string(twice) + "bias") return std::string(bias_name);
        return name;
    });
}

}  // namespace

BlipDecoderConfig BlipDecoderConfig::from_json(const nlohmann::json& json,
                                               std::int64_t image_hidden_size) {
    ConfigFields fields(json, "BLIP's text config");
    BlipDecoderConfig config;
    config.image_hidden_size = image_hidden_size;
    config.vocab_size = fields.size("vocab_size", config.vocab_size);
    config.hidden_size = fields.size("hidden_size", config.hidden_size);
    config.intermediate_size = fields.size("intermediate_size", config.intermediate_size);
    config.num_hidden_layers = fields.size("num_hidden_layers", config.num_hidden_layers);
    fields.at_most("num_hidden_layers", config.num_hidden_layers, most_encoder_layers);
    config.num_attention_heads = fields.size("num_attention_heads", config.num_attention_heads);
    config.max_position_embeddings =
        fields.size("max_position_embeddings", config.max_position_embeddings);
    config.layer_norm_eps = fields.number("layer_norm_eps", config.layer_norm_eps);
    config.start_id = token_id(fields, "bos_token_id", config.start_id, config.vocab_size);
    config.end_id = token_id(fields, "sep_token_id", config.end_id, config.vocab_size);
    if (config.hidden_size % config.num_attention_heads != 0)
        fields.reject("num_attention_heads", "does not divide hidden_size");
    fields.only("hidden_act", "gelu");
    fields.only("model_type", "blip_text_model");
    fields.finish();
    return config;
}

void BlipMemory::keep(const Tensor& rows) {
    for (std::vector<Tensor>* list : {&keys, &values})
        for (Tensor& one : *list) one = one.index_select(0, rows.to(one.device()));
}

BlipDecoder::Attention::Attention(Weights& weights, const std::string& prefix,
                                  const BlipDecoderConfig& config, std::int64_t key_width)
    : query(weights, prefix + "self.query", config.hidden_size, config.hidden_size),
      key(weights, prefix + "self.key", key_width, config.hidden_size),
      value(weights, prefix + "self.value", key_width, config.hidden_size),
      dense(weights, prefix + "output.dense", config.hidden_size, config.hidden_size),
      norm(weights, prefix + "output.LayerNorm", config.hidden_size, config.layer_norm_eps),
      heads(config.num_attention_heads) {}

Tensor BlipDecoder::Attention::operator()(const Tensor& x, const Tensor& keys, const Tensor& values,
                                          bool causal) const {
    const Tensor q = query(x);
    // Several captions of one picture ask the same keys: to an attention without a mask they are
    // places of one.
    const bool shared = keys.size(0) == 1 && q.size(0) > 1;
    const Tensor found =
        attention(shared ? q.reshape({1, -1, q.size(2)}) : q, keys, values, heads, causal);
    return norm(dense(found.reshape(x.sizes()), x));
}

BlipDecoder::Layer::Layer(Weights& weights, const std::string& prefix,
                          const BlipDecoderConfig& config)
    : own(weights, prefix + "attention.", config, config.hidden_size),
      image(weights, prefix + "crossattention.", config, config.image_hidden_size),
      intermediate(weights, prefix + "intermediate.dense", config.hidden_size,
                   config.intermediate_size),
      dense(weights, prefix + "output.dense", config.intermediate_size, config.hidden_size),
      norm(weights, prefix + "output.LayerNorm", config.hidden_size, config.layer_norm_eps) {}

BlipDecoder::BlipDecoder(const BlipDecoderConfig& config, Weights weights) : config_(config) {
    const std::int64_t width = config_.hidden_size;
    take_tied_names(weights);
    words_ = weights.take(std::string(words_name), {config_.vocab_size, width});
    positions_ = weights.take("bert.embeddings.position_embeddings.weight",
                              {config_.max_position_embeddings, width});
    embeddings_norm_ = {weights, "bert.embeddings.LayerNorm", width, config_.layer_norm_eps};
    for (std::int64_t i = 0; i < config_.num_hidden_layers; ++i)
        layers_.emplace_back(weights, "bert.encoder.layer." + std::to_string(i) + ".", config_);
    transform_ = {weights, "cls.predictions.transform.dense", width, width};
    head_norm_ = {weights, "cls.predictions.transform.LayerNorm", width, config_.layer_norm_eps};
    head_.weight = words_;
    head_.bias = weights.take(std::string(bias_name), {config_.vocab_size});
    head_.packed = weights.packed();
    weights.finish([](const std::string& name) {
        return name.starts_with(twice) || name == "bert.embeddings.position_ids";
    });
}

BlipMemory BlipDecoder::look(const Tensor& image) const {
    BlipMemory memory;
    for (const Layer& layer : layers_) {
        memory.image_keys.push_back(layer.image.key(image));
        memory.image_values.push_back(layer.image.value(image));
    }
    memory.keys.resize(layers_.size());
    memory.values.resize(layers_.size());
    return memory;
}

Tensor BlipDecoder::embed(const Tensor& ids, std::int64_t first) const {
    if (ids.dim() != 2 || ids.scalar_type() != at::kLong || ids.numel() == 0)
        throw Error("token ids", "should be (B, T) int64");
    if (first + ids.size(1) > config_.max_position_embeddings)
        throw Error("caption", "is longer than the " +
                                   std::to_string(config_.max_position_embeddings) +
                                   " tokens that the captioner has places for");
    const auto [lowest, highest] = at::aminmax(ids);
    if (lowest.item<std::int64_t>() < 0 || highest.item<std::int64_t>() >= config_.vocab_size)
        throw Error("token ids", "out of range: the captioner's vocabulary has " +
                                     std::to_string(config_.vocab_size) + " tokens");
    const at::ScalarType working = embeddings_norm_.weight.scalar_type();
    return embeddings_norm_(at::embedding(words_, ids.to(words_.device())).to(working) +
                            positions_.narrow(0, first, ids.size(1)).to(working));
}

Tensor BlipDecoder::read(const Tensor& ids, BlipMemory& memory) const {
    if (memory.length > 0 && ids.size(1) != 1)
        throw Error("token ids", "come one by one after the first");
    Tensor x = embed(ids, memory.length);
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const Layer& layer = layers_[i];
        Tensor &keys = memory.keys[i], &values = memory.values[i];
        const Tensor key = layer.own.key(x), value = layer.own.value(x);
        keys = keys.defined() ? at::cat({keys, key}, 1) : key;
        values = values.defined() ? at::cat({values, value}, 1) : value;
        x = layer.own(x, keys, values, /*causal=*/ids.size(1) > 1);
        x = layer.image(x, memory.image_keys[i], memory.image_values[i], /*causal=*/false);
        x = layer.norm(layer.dense(at::gelu(layer.intermediate(x)), x));
    }
    memory.length += ids.size(1);
    return x;
}

Tensor BlipDecoder::logits(const Tensor& hidden) const {
    return head_(head_norm_(at::gelu(transform_(hidden))));
}

}  // namespace keepsake::pipeline
