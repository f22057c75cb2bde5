// open_clip's CLIP (mlfoundations/open_clip: the weights of LAION and of many others): the names of
// its tensors and its configuration, mapped to those of transformers' CLIPModel.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/files/safetensors.h"

namespace keepsake::pipeline {

// What one of open_clip's tensors is to transformers.
struct FromOpenClip {
    std::string name;        // transformers' ("text_model.final_layer_norm.weight")
    std::int64_t part = 0;   // which of `parts` equal pieces of the first dimension:
    std::int64_t parts = 1;  // q, k and v are one matrix there
    bool transposed = false;
};

// Empty where `name` is not of a CLIP of two transformers.
std::vector<FromOpenClip> from_open_clip(std::string_view name);

// Whether a tensor of open_clip is no weight: the causal mask of older files.
bool is_open_clip_buffer(std::string_view name);

// All tensors of a file in that layout, by transformers' names, as fresh CPU tensors of dtype `as`.
// One that from_open_clip() does not know keeps its name, so that the network names it as surplus.
TensorMap read_open_clip(const SafetensorsFile& file, at::ScalarType as);

// A config.json of transformers' CLIPModel for an open_clip_config.json (or its "model_cfg" alone,
// as open_clip's own list of models has them). Throws Error naming every key whose value is not
// supported: other encoders than CLIP's transformers, other poolings, layer scale.
nlohmann::json config_of_open_clip(const nlohmann::json& open_clip);

}  // namespace keepsake::pipeline
