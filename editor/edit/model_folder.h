// A model's folder, as diffusers opens it, with other weights in it.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>

#include "pipeline/files/safetensors.h"

namespace keepsake::editor {

// Throws Error naming a single-file model, whose weights cannot be written this way, with the way
// out.
void check_is_model_folder(const std::filesystem::path& model);

// Copies what makes a model of `from` to the folder `to`: all but the weights of the U-Net, and of
// the text encoder where `text_encoder` says that they are written anew. Throws as the check above.
void copy_model_folder(const std::filesystem::path& from, const std::filesystem::path& to,
                       bool text_encoder);

// The precision in which the U-Net of a model's folder is stored; float32 where no file says it.
at::ScalarType stored_unet_dtype(const std::filesystem::path& model);

// By diffusers' names (the text encoder's without "text_model."). dtype: of the file; Undefined: as
// they are. Throws Error naming the file that cannot be written.
void write_unet_weights(const std::filesystem::path& model, const pipeline::TensorMap& weights,
                        at::ScalarType dtype = at::ScalarType::Undefined);
void write_text_encoder_weights(const std::filesystem::path& model,
                                const pipeline::TensorMap& weights);

}  // namespace keepsake::editor
