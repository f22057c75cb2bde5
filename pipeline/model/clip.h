// CLIP: texts and pictures as vectors of one space (Radford et al., arXiv 2103.00020), in the
// layouts of transformers and of open_clip.
#pragma once

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/networks/image_encoder.h"
#include "pipeline/networks/text_encoder.h"
#include "pipeline/text/tokenizer.h"

namespace keepsake::pipeline {

// How pictures come to an image encoder: preprocessor_config.json, or open_clip's preprocess_cfg.
// Defaults: CLIP's own.
struct ClipPreprocessing {
    std::int64_t shortest_side = 224;  // resized to, by PIL's bicubic
    std::int64_t crop = 224;           // the square in the middle
    // Where the middle is no whole pixel: down, as transformers has it; to the even one, as
    // torchvision has it for openai's and open_clip's code.
    bool middle_to_even = false;
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

// A CLIP's folder, its texts left out.
struct ClipFiles {
    nlohmann::json config;  // config.json of transformers' CLIPModel, translated from open_clip's
    ClipPreprocessing preprocessing;
    ClipNetwork network;
};

// Either layout, float32, float16 or bfloat16 weights, which come as float32:
//   transformers' CLIPModel: config.json, model.safetensors, and preprocessor_config.json where it
//     is. It is taken where a folder holds both, as LAION's do.
//   open_clip: open_clip_config.json, open_clip_model.safetensors (or model.safetensors).
// Throws Error naming the file that is missing or does not fit.
ClipFiles read_clip(const std::filesystem::path& folder, at::Device device = at::kCPU);

struct Clip {
    std::filesystem::path path;
    std::string name;  // of the folder, "flowers/clip" of a model's: what a score is told with
    Tokenizer tokenizer;
    ClipPreprocessing preprocessing;
    ClipNetwork network;
};

// read_clip() with its tokenizer: the files of it in the folder, or, where there are none and the
// vocabulary is CLIP's own (open_clip's programs bring it themselves), `clip_tokenizer`, a folder
// of them. Throws Error as read_clip() does, and naming the folder when no tokenizer is known.
Clip load_clip(const std::filesystem::path& folder, const std::filesystem::path& clip_tokenizer,
               at::Device device = at::kCPU);

// Whether a folder holds a tokenizer's files.
bool has_tokenizer(const std::filesystem::path& folder);

// Where load_clip() takes the tokenizer of `folder` from.
std::filesystem::path clip_tokenizer_of(const std::filesystem::path& folder,
                                        const std::filesystem::path& clip_tokenizer,
                                        const ClipConfig& config);

// Vectors of length 1: (B, D) -> (B, D).
Tensor normalised(const Tensor& features);

}  // namespace keepsake::pipeline
