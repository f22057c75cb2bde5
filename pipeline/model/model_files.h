// A model on disk, opened but not loaded: what its files say, and where each tensor lies. Both
// layouts (a diffusers folder, a single-file checkpoint) are brought to this one form.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/files/ldm_layout.h"
#include "pipeline/model/model.h"

namespace keepsake::pipeline {

struct StoredTensor {
    std::shared_ptr<const SafetensorsFile> file;
    LdmTensor from;  // of a diffusers folder: simply its name
};

// The weights of one component by diffusers' names.
struct ComponentFiles {
    std::string noun;  // for errors: the weights file, its index file, or file and component
    std::map<std::string, StoredTensor> tensors;
    // Names as our networks know them: of the text encoder without "text_model.".
    ShapeMap shapes() const;
};

struct ModelFiles {
    std::filesystem::path path;
    std::string kind;  // "diffusers folder", "Stable Diffusion 1.x checkpoint"...
    ComponentFiles text_encoder, vae, unet;
    TextEncoderConfig text_encoder_config;
    VaeConfig vae_config;
    UNetConfig unet_config;
    ScheduleConfig schedule;
    std::string schedule_source;         // where `schedule` is from, for people
    std::string left_alone;              // what else the file holds, for people
    std::filesystem::path tokenizer;     // a folder, or empty when there is none
    std::optional<std::int64_t> pad_id;  // instead of the tokenizer's own
};

// What options.prediction_type overrides.
void apply_prediction(ModelFiles& files, const LoadOptions& options);

// What options.clip_skip overrides. Throws Error naming it where the text encoder has fewer layers.
void apply_clip_skip(ModelFiles& files, const LoadOptions& options);

// The VAE of options.vae, or that beside the checkpoint `model`; empty: neither.
std::filesystem::path other_vae(const std::filesystem::path& model, const LoadOptions& options);
// Puts the VAE of `path` (LoadOptions::vae says of which kinds) in place of the model's own. Throws
// Error naming the file that holds none.
void replace_vae(ModelFiles& files, const std::filesystem::path& path);

// The adapters of options, found in this model's layers.
Adapters open_adapters_of(const ModelFiles& files, const LoadOptions& options);

// Both throw Error as load_model does, but look at headers and configs alone.
ModelFiles open_diffusers_folder(const std::filesystem::path& folder);
ModelFiles open_single_file(const std::filesystem::path& path, const LoadOptions& options);
// Whichever of the two `path` is, with all that options override but the adapters.
ModelFiles open_model(const std::filesystem::path& path, const LoadOptions& options);

// The component's tensors, read when they are taken, with these changes.
Weights lazy_weights(const ComponentFiles& component, const ChangeMap& changes = {});

// Throws Error where load_model would, but for the values of the weights, which it does not read;
// without a tokenizer what concerns it is left out.
void check_loads(const ModelFiles& files);

// What a checkpoint, or a file beside it, says that the network predicts; `source` is for people.
struct StatedPrediction {
    PredictionType type;
    std::string source;
};
// In this order: the configuration file of the original program, <stem>.yaml, beside it; a tensor
// `v_pred`; modelspec.prediction_type of its metadata. None where nothing says it. Throws Error
// naming the yaml file where its parameterization is not known.
std::optional<StatedPrediction> stated_prediction(const SafetensorsFile& file);

// Whether a safetensors file's tensors are a LoRA's, in the naming of kohya or of diffusers (peft),
// and not a checkpoint's with a LoRA beside it.
bool is_lora(const SafetensorsFile& file);

}  // namespace keepsake::pipeline
