// LoRA (Hu et al., arXiv 2106.09685) on a U-Net's attention, feed-forward and convolutions (LoCon,
// Yeh et al., arXiv 2309.14859), and its file.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/networks/unet.h"

namespace keepsake::pipeline {

// By the layer's diffusers name, "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q".
using LoraSet = std::map<std::string, Lora>;

// The layers that a LoRA is put on: all of the U-Net's matrices and convolutions but the first and
// last convolution and those of the time embedding.
std::vector<std::string> lora_layers(const UNet& unet);

// A LoRA that changes nothing yet: `down` normal with variance 1 / fan-in, `up` zero. Tensors on
// the network's device, float32. Throws Error naming a rank that is not positive.
LoraSet make_loras(const UNet& unet, std::int64_t rank, at::Generator generator);

// The network with the LoRA beside its weights, which it shares; the LoRA's tensors are used as
// they are, so that in-place updates reach it. Throws Error naming a layer that is not there or
// whose shape does not fit.
UNet with_loras(const UNet& unet, const LoraSet& loras);

// The network with the LoRA added to copies of the weights: the same function, a little faster.
UNet merge_loras(const UNet& unet, const LoraSet& loras);

// One of the two: merged where a copy of the weights is small beside what rendering needs anyway.
UNet apply_loras(const UNet& unet, const LoraSet& loras);

// What all of a network's LoRAs share where they have dropout (compute/lora_dropout.h); else null.
std::shared_ptr<LoraPass> pass_of(const LoraSet& loras);

// By name "<layer>.lora_down.weight" and "<layer>.lora_up.weight": handles, not copies.
TensorMap lora_tensors(const LoraSet& loras);
LoraSet loras_from_tensors(const TensorMap& tensors, const std::string& source);

// As kohya's scripts write it, which diffusers (load_lora_weights) and the common web interfaces
// read: safetensors with "lora_unet_<layer, dots as underscores>.lora_down.weight",
// ".lora_up.weight" and ".alpha" (scale times rank). float32. `metadata` goes into the header
// beside ss_network_dim and _alpha.
void save_loras(const std::filesystem::path& path, const LoraSet& loras,
                std::map<std::string, std::string> metadata);

// Reads such a file for `unet`, scale alpha / rank folded into `up`. Throws Error naming the file
// and the tensor that is missing, surplus or misshapen.
LoraSet load_loras(const std::filesystem::path& path, const UNet& unet);

}  // namespace keepsake::pipeline
