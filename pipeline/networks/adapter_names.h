// The names of LoRA files and their relatives: kohya's scripts, LyCORIS, the original
// latent-diffusion names, diffusers and peft, old and new. All of them name a layer and a part of
// its change; where one writes a dot another writes an underscore, so that layers are compared with
// underscores throughout.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

struct AdapterKey {
    std::string module;  // the layer as the file calls it, dots as underscores
    // "lora_down", "lora_up", "lora_mid", "alpha", "dora_scale", "magnitude", "hada_w1_a" and its
    // like, "lokr_w1" and its like, "diff", "diff_b", "w_norm", "b_norm", "on_input", "weight".
    std::string part;
};

// None where the name's end is that of no part.
std::optional<AdapterKey> read_adapter_key(std::string_view name);

// By every module name that files have for them: the layers of a U-Net ("down_blocks.0.
// resnets.0.conv1") or of a text encoder ("encoder.layers.0.mlp.fc1"), without ".weight".
std::map<std::string, std::string> unet_modules(const std::vector<std::string>& layers);
std::map<std::string, std::string> text_encoder_modules(const std::vector<std::string>& layers);

// The original name of a U-Net's layer, "input_blocks.1.0.in_layers.2"; empty where it has none.
std::string ldm_unet_layer(std::string_view layer, std::int64_t layers_per_block);

}  // namespace keepsake::pipeline
