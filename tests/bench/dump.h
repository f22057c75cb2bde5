// What Keepsake computes from given inputs, for quick.py, which asks diffusers for the same.
#pragma once

#include "pipeline/files/safetensors.h"
#include "pipeline/model/model.h"

namespace keepsake::bench {

// inputs, float32 but for `timestep`:
//   sample (2, C, h, w), timestep (2), context (2, T, D)   one call of the U-Net
//   image (1, 3, 8h, 8w) in [-1, 1], latents (1, C, h, w) scaled
//   noise (1, C, h, w), cond and uncond (1, T, D)          a picture in 20 steps of dpmpp_2m
//   lora/<layer>.lora_down.weight, .lora_up.weight         where a LoRA's training starts
// Returns unet, encoded, decoded, picture, text (of "a photo of a red daisy"); and from `latents`
// and `cond`: embedding_losses and embedding (stage A, 4 steps at 5e-3, batch 2, seed 42), and with
// that embedding, finetune_losses (stage B, all weights, 4 steps at 1e-4) and lora_losses (a LoRA,
// 4 steps at 1e-3). Losses in float64. Throws Error naming an input that is missing.
pipeline::TensorMap dump(const pipeline::Model& model, const pipeline::TensorMap& inputs);

}  // namespace keepsake::bench
