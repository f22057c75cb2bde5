// The networks of tests/goldens/make_learning_goldens.py (tiny_networks).
#pragma once

#include <string>

#include "pipeline/files/safetensors.h"
#include "pipeline/networks/text_encoder.h"
#include "pipeline/networks/unet.h"

namespace keepsake::testing {

using pipeline::TensorMap;
using pipeline::TextEncoder;
using pipeline::TextEncoderConfig;
using pipeline::UNet;
using pipeline::UNetConfig;
using pipeline::Weights;

// The tensors whose names begin so, without it: copies.
inline TensorMap group(const TensorMap& all, const std::string& prefix) {
    TensorMap some;
    for (const auto& [name, tensor] : all)
        if (name.starts_with(prefix)) some[name.substr(prefix.size())] = tensor.clone();
    return some;
}

inline UNet tiny_unet() {
    UNetConfig config;
    config.sample_size = 8;
    config.block_out_channels = {16, 32};
    config.down_attention = {false, true};
    config.up_attention = {true, false};
    config.layers_per_block = 1;
    config.num_heads = {2, 4};
    config.cross_attention_dim = 16;
    config.norm_num_groups = 8;
    const TensorMap all =
        pipeline::read_safetensors(KEEPSAKE_GOLDENS "/imagic_epsilon.safetensors");
    return UNet(config, Weights::from_tensors(group(all, "unet."), "tiny"));
}

inline TextEncoder tiny_text(const TensorMap& golden) {
    TextEncoderConfig config;
    config.vocab_size = 40;
    config.hidden_size = 16;
    config.intermediate_size = 24;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 2;
    config.max_position_embeddings = 9;
    return TextEncoder(config, Weights::from_tensors(group(golden, "text."), "tiny"));
}

}  // namespace keepsake::testing
