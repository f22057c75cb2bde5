// A whole latent diffusion model and how it is read from disk.
#pragma once

#include <filesystem>
#include <string>

#include "pipeline/schedule.h"
#include "pipeline/text_encoder.h"
#include "pipeline/tokenizer.h"
#include "pipeline/unet.h"
#include "pipeline/vae.h"

namespace keepsake::pipeline {

struct LoadOptions {
    at::ScalarType dtype = at::kFloat;  // working precision of every component
    at::Device device = at::kCPU;
    // Where vocab.json and merges.txt lie for a single-file checkpoint, which has none of its own.
    std::filesystem::path tokenizer;
};

struct Model {
    std::filesystem::path path;
    std::string fingerprint;  // 16 hex digits: tells this model's weights from another's
    Tokenizer tokenizer;
    TextEncoder text_encoder;
    Vae vae;
    UNet unet;
    Schedule schedule;
    at::ScalarType dtype = at::kFloat;
    at::Device device = at::kCPU;

    // The side of the square it was trained at, in pixels.
    std::int64_t native_size() const { return unet.config().sample_size * vae.config().downscale(); }
};

// A diffusers folder (model_index.json and component folders; float32, float16, bfloat16; *.fp16.
// variants; sharded with an index file) or a single `.safetensors` file in the original LDM layout
// (SD 1.x, 2.x). Throws Error naming the file, and for tensors all that do not fit; a pickle
// checkpoint (.ckpt, .bin, .pt) is refused with how to convert it.
Model load_model(const std::filesystem::path& path, const LoadOptions& options = {});

// What a model folder or checkpoint holds, without loading it: several lines for `keepsake info`.
std::string describe_model(const std::filesystem::path& path);

// The fingerprint alone.
std::string model_fingerprint(const std::filesystem::path& path);

}  // namespace keepsake::pipeline
