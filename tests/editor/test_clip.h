// A CLIP of the smallest build, with the bundled model's vocabulary.
#pragma once

#include <nlohmann/json.hpp>

namespace keepsake::testing {

// config.json of a transformers' CLIPModel.
inline nlohmann::json tiny_clip() {
    const nlohmann::json text = {{"vocab_size", 49408},      {"hidden_size", 16},
                                 {"intermediate_size", 24},  {"num_hidden_layers", 1},
                                 {"num_attention_heads", 2}, {"eos_token_id", 49407}};
    const nlohmann::json vision = {{"image_size", 32},       {"patch_size", 16},
                                   {"hidden_size", 16},      {"intermediate_size", 24},
                                   {"num_hidden_layers", 1}, {"num_attention_heads", 2}};
    return {{"model_type", "clip"},
            {"projection_dim", 8},
            {"text_config", text},
            {"vision_config", vision}};
}

}  // namespace keepsake::testing
