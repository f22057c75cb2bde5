// BLIP's text decoder: BERT with a cross-attention to the picture (Li et al., arXiv 2201.12086;
// Devlin et al., arXiv 1810.04805), as transformers' BlipTextLMHeadModel computes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "pipeline/networks/layers.h"

namespace keepsake::pipeline {

// Defaults: transformers' BlipTextConfig, of which a config.json tells only what differs. Its 8
// heads are the published models' 12 by their config.json.
struct BlipDecoderConfig {
    std::int64_t vocab_size = 30524;
    std::int64_t hidden_size = 768;
    std::int64_t image_hidden_size = 768;  // of the image encoder
    std::int64_t intermediate_size = 3072;
    std::int64_t num_hidden_layers = 12;
    std::int64_t num_attention_heads = 8;
    std::int64_t max_position_embeddings = 512;
    double layer_norm_eps = 1e-12;
    std::int64_t start_id = 30522;  // bos_token_id: [DEC]
    std::int64_t end_id = 102;  // sep_token_id, where a caption ends; eos_token_id plays no part

    // From the `text_config` of a transformers config.json, for an image encoder of this width.
    // Throws Error naming every key that is not supported.
    static BlipDecoderConfig from_json(const nlohmann::json& config,
                                       std::int64_t image_hidden_size);
};

// What the decoder keeps of a picture and of the tokens so far, for each layer.
struct BlipMemory {
    std::vector<Tensor> image_keys, image_values;  // (1, patches + 1, D)
    std::vector<Tensor> keys, values;              // (B, T, D)
    std::int64_t length = 0;                       // T

    // Of these rows alone, in this order. rows: (B') int64.
    void keep(const Tensor& rows);
};

class BlipDecoder {
  public:
    // Takes every tensor from `weights` (names without "text_decoder.") and calls weights.finish():
    // throws Error naming all tensors that do not fit. Passed over: what older files hold twice
    // (the words' matrix as the head's, its bias) and position_ids.
    BlipDecoder(const BlipDecoderConfig& config, Weights weights);

    // image: (1, patches + 1, image_hidden_size), the image encoder's -> what all captions of that
    // picture begin with.
    BlipMemory look(const Tensor& image) const;
    // ids: (B, T) int64, the tokens after those of `memory`, which takes them in -> (B, T, D).
    // Throws Error where they are out of range or too many. More than one at a time only where it
    // holds none.
    Tensor read(const Tensor& ids, BlipMemory& memory) const;
    // hidden: (..., D) -> (..., vocab_size).
    Tensor logits(const Tensor& hidden) const;

    const BlipDecoderConfig& config() const { return config_; }

  private:
    // Multi-head attention, its projection, and the norm of that with what came in.
    struct Attention {
        Linear query, key, value, dense;
        LayerNorm norm;
        std::int64_t heads = 1;
        Attention(Weights& weights, const std::string& prefix, const BlipDecoderConfig& config,
                  std::int64_t key_width);
        Tensor operator()(const Tensor& x, const Tensor& keys, const Tensor& values,
                          bool causal) const;
    };
    struct Layer {
        Attention own, image;
        Linear intermediate, dense;
        LayerNorm norm;
        Layer(Weights& weights, const std::string& prefix, const BlipDecoderConfig& config);
    };

    Tensor embed(const Tensor& ids, std::int64_t first) const;

    BlipDecoderConfig config_;
    Tensor words_, positions_;
    LayerNorm embeddings_norm_, head_norm_;
    std::vector<Layer> layers_;
    Linear transform_, head_;
};

}  // namespace keepsake::pipeline
