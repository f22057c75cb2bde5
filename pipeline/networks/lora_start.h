// LoRA of a U-Net and a text encoder to be learned from pictures: on which layers, and how it
// starts. Its file is that of kohya's sd-scripts.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/networks/lora.h"
#include "pipeline/networks/text_encoder.h"

namespace keepsake::pipeline {

// attention: queries, keys, values and outputs (diffusers' training scripts). transformer: every
// matrix and 1x1 convolution of the transformers, feed-forward included (sd-scripts). all: those
// and the convolutions (LoCon; lora_layers()).
enum class LoraTargets { attention, transformer, all };

// How `down` starts; `up` is 0. kaiming: uniform within 1 / sqrt(fan-in) (sd-scripts, LoRA's own
// code). gaussian: normal, of deviation 1 / rank (diffusers' training scripts).
enum class LoraStart { kaiming, gaussian };

struct LoraOptions {
    std::int64_t rank = 16;
    LoraTargets targets = LoraTargets::transformer;
    LoraStart start = LoraStart::kaiming;
    // What is added is alpha / rank times up down; none: as large as the rank (sd-scripts'
    // network_alpha, peft's lora_alpha).
    std::optional<double> alpha = {};
    double dropout = 0;  // compute/lora_dropout.h
};

double alpha_of(const LoraOptions& options);

// Throws Error naming a rank or alpha that is not positive, or a dropout outside of [0, 1).
void check(const LoraOptions& options);

// By their diffusers and transformers names, "encoder.layers.0.self_attn.q_proj".
std::vector<std::string> lora_layers(const UNet& unet, LoraTargets targets);
std::vector<std::string> lora_layers(const TextEncoder& encoder, LoraTargets targets);

// A LoRA that changes nothing yet, on the network's device, float32. On a layer with a side below
// the rank it is as small as that, with the same scale. With dropout, whoever computes a pass that
// is to be differentiated says first of which samples (pass_of()). Throws as check().
LoraSet start_loras(const UNet& unet, const LoraOptions& options, at::Generator generator);
LoraSet start_loras(const TextEncoder& encoder, const LoraOptions& options,
                    at::Generator generator);

// The text encoder with the LoRA beside its weights, which it shares; in-place updates of the
// LoRA's tensors reach it. Throws Error naming a layer that is not there or does not fit.
TextEncoder with_loras(const TextEncoder& encoder, const LoraSet& loras);

// save_loras() of lora.h, which says alpha of a layer of the largest rank, and the text encoder's
// under "lora_te_text_model_<layer>". Either may be empty.
void save_loras(const std::filesystem::path& path, const LoraSet& unet, const LoraSet& text_encoder,
                std::map<std::string, std::string> metadata);

}  // namespace keepsake::pipeline
