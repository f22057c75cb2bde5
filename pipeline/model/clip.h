// CLIP: texts and pictures as vectors of one space (Radford et al., arXiv 2103.00020), in the
// layout of transformers.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/networks/image_encoder.h"
#include "pipeline/networks/text_encoder.h"
#include "pipeline/text/tokenizer.h"

namespace keepsake::pipeline {

// How pictures come to an image encoder: preprocessor_config.json. Defaults: CLIP's own.
struct ClipPreprocessing {
    std::int64_t shortest_side = 224;  // resized to, by PIL's bicubic
    std::int64_t crop = 224;           // the square in the middle
    std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
    std::array<double, 3> deviation = {0.26862954, 0.26130258, 0.27577711};
};

// What `folder` says of it in preprocessor_config.json; without that file the defaults, at the
// encoder's size. Throws Error naming the file where it is malformed or asks for another size.
ClipPreprocessing read_preprocessing(const std::filesystem::path& folder, std::int64_t image_size);

struct ClipConfig {
    TextEncoderConfig text;
    ImageEncoderConfig image;
    std::int64_t projection_dim = 512;
    // Of whose place the text's vector is taken. 2, in configs of before 2023: of the greatest id
    // (CLIP's end has it), as transformers reads it.
    std::int64_t eos_token_id = 49407;

    // From a transformers config.json of a CLIPModel. Throws Error naming every key that is missing
    // or not supported.
    static ClipConfig from_json(const nlohmann::json& config);
};

class ClipNetwork {
  public:
    // Takes every tensor ("text_model.", "vision_model.", "text_projection.weight",
    // "visual_projection.weight", "logit_scale"). Throws Error naming all that do not fit, and a
    // file without an image encoder.
    ClipNetwork(ClipConfig config, TensorMap tensors, const std::string& component = "CLIP");

    // ids: (B, T) int64 -> (B, projection_dim), not normalised.
    Tensor text_features(const Tensor& ids) const;
    // pictures: (B, 3, image_size, image_size), normalised -> (B, projection_dim), likewise.
    Tensor image_features(const Tensor& pictures) const;

    const ClipConfig& config() const { return config_; }
    // The factor of the cosines is its exponential: () float32.
    const Tensor& logit_scale() const { return logit_scale_; }
    // Every weight by transformers' name: the layers' own.
    const TensorMap& parameters() const { return parameters_; }

  private:
    ClipConfig config_;
    TextEncoder text_;
    ImageEncoder image_;
    Linear text_projection_, visual_projection_;
    Tensor logit_scale_;
    TensorMap parameters_;
};

struct Clip {
    std::filesystem::path path;
    std::string name;  // of the folder: what a score is to be told with
    Tokenizer tokenizer;
    ClipPreprocessing preprocessing;
    ClipNetwork network;
};

// A folder of transformers' CLIPModel: config.json, model.safetensors (float32, float16 or
// bfloat16; computed in float32), the tokenizer's files, and preprocessor_config.json where it is.
// Throws Error naming the file that is missing or does not fit.
Clip load_clip(const std::filesystem::path& folder, at::Device device = at::kCPU);

// Vectors of length 1: (B, D) -> (B, D).
Tensor normalised(const Tensor& features);

}  // namespace keepsake::pipeline
