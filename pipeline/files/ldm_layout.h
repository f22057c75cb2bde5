// The tensor names of the original latent-diffusion checkpoints (CompVis/stable-diffusion and
// Stability-AI/stablediffusion), mapped to the names of diffusers and transformers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "pipeline/files/safetensors.h"

namespace keepsake::pipeline {

// Where a tensor of a diffusers component comes from in a checkpoint.
struct LdmTensor {
    std::string source;      // its name in the checkpoint
    std::int64_t part = 0;   // which of `parts` equal pieces of the first dimension it is:
    std::int64_t parts = 1;  // OpenCLIP keeps q, k and v in one matrix
    bool linear = false;  // a 1x1 convolution there, a matrix here: the trailing ones are dropped
};

struct LdmLayout {
    // By diffusers' names. A name of a component that the layout does not know stands under itself,
    // so that the component names it as surplus.
    std::map<std::string, LdmTensor> text_encoder, unet, vae;
    // Names of no component and of nothing that training is known to leave behind; and low-rank
    // additions, which are a LoRA's wherever they lie.
    std::vector<std::string> left_alone;
    bool open_clip = false;  // the text encoder is OpenCLIP's: SD 2.x
};

// Sorts the names of a checkpoint. Passed over: EMA copies (model_ema.*), noise-schedule buffers,
// position_ids, the autoencoder's training loss, what says how it predicts (v_pred, ztsnr), and of
// OpenCLIP the text projection and the 24th layer, for SD 2.x takes the penultimate layer's output.
// Source of the rules: diffusers' single_file_utils.
LdmLayout read_ldm_layout(const std::map<std::string, TensorInfo>& tensors);

// The shape of `tensor`, given that of its source.
std::vector<std::int64_t> ldm_shape(const LdmTensor& tensor,
                                    std::vector<std::int64_t> source_shape);

// Reads `tensor` from its file as a fresh CPU tensor of dtype `as` and shape ldm_shape().
Tensor read_ldm_tensor(const SafetensorsFile& file, const LdmTensor& tensor, at::ScalarType as);

}  // namespace keepsake::pipeline
