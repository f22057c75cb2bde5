// CLIP's text transformer (Radford et al., arXiv 2103.00020) as transformers' CLIPTextModel
// computes it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "pipeline/networks/clip_layer.h"

namespace keepsake::pipeline {

struct TextEncoderConfig {
    std::int64_t vocab_size = 49408;
    std::int64_t hidden_size = 768;
    std::int64_t intermediate_size = 3072;
    std::int64_t num_hidden_layers = 12;
    std::int64_t num_attention_heads = 12;
    std::int64_t max_position_embeddings = 77;
    double layer_norm_eps = 1e-5;
    std::string hidden_act = "quick_gelu";  // quick_gelu, gelu
    // Layers left out at the end before the final norm (SD 2.x takes the penultimate layer;
    // diffusers folders of it already say num_hidden_layers 23, then this is 0).
    std::int64_t skip_last_layers = 0;

    // From a transformers config.json. Throws Error naming every key that is missing or not
    // supported.
    static TextEncoderConfig from_json(const nlohmann::json& config);
    // From the tensors of a checkpoint (names as in transformers, with or without "text_model.").
    // What shapes cannot tell follows SD's conventions: hidden 1024 gelu, else quick_gelu; 64
    // channels a head; of the 24 layers of SD 2.x's encoder the last is skipped. Throws Error
    // naming a tensor that is needed to tell and is not there.
    static TextEncoderConfig detect_from_weights(const Weights& weights);
};

class TextEncoder {
  public:
    // Takes every tensor from `weights` (names with or without the prefix "text_model.") and calls
    // weights.finish(): throws Error naming all tensors that do not fit. Passed over: position_ids
    // and text_projection of older files, and the skipped layers.
    TextEncoder(TextEncoderConfig config, Weights weights);

    // ids: (B, T) int64, T <= max_position_embeddings -> (B, T, hidden_size), working dtype: the
    // last hidden state after final_layer_norm. Throws Error when T is too long or an id is out of
    // range.
    Tensor operator()(const Tensor& ids) const;

    // The same encoder with more tokens behind its vocabulary: rows: (n, hidden_size) float32, on
    // its device, for the ids from vocabulary_size() on. They are used as they are, so that
    // in-place updates reach them and a gradient goes to them; everything else is shared. Throws
    // Error when their width is another one.
    TextEncoder with_tokens(const Tensor& rows) const;
    // With the tokens that were added.
    std::int64_t vocabulary_size() const;
    // The vectors of tokens, before their positions: (B, T) int64, each in the vocabulary ->
    // (B, T, hidden_size), as they are kept.
    Tensor embed(const Tensor& ids) const;

    const TextEncoderConfig& config() const { return config_; }
    const TensorMap& parameters() const { return parameters_; }  // by name, without "text_model."

  private:
    TextEncoderConfig config_;
    Tensor token_embedding_, position_embedding_;
    std::vector<Tensor> added_;  // each (n, hidden_size)
    std::vector<ClipLayer> layers_;
    LayerNorm final_norm_;
    TensorMap parameters_;
};

}  // namespace keepsake::pipeline
