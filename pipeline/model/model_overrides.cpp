// What takes the place of what a model's own files say: another VAE, another layer of the text
// encoder, adapters.
#include <algorithm>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/model/model_files.h"

namespace keepsake::pipeline {
namespace {

using std::filesystem::path;

constexpr std::string_view ldm_prefix = "first_stage_model.";

// In the original names, with their prefix (of a checkpoint) or without it (of a VAE's own file).
std::map<std::string, StoredTensor> ldm_vae(const std::shared_ptr<const SafetensorsFile>& file) {
    std::map<std::string, TensorInfo> prefixed;
    bool has_prefix = false;
    for (const auto& [name, info] : file->tensors())
        has_prefix = has_prefix || name.starts_with(ldm_prefix);
    for (const auto& [name, info] : file->tensors())
        prefixed[has_prefix ? name : std::string(ldm_prefix) + name] = info;
    std::map<std::string, StoredTensor> tensors;
    for (auto [name, from] : read_ldm_layout(prefixed).vae) {
        if (!has_prefix) from.source.erase(0, ldm_prefix.size());
        // A name that the layout does not know stands under itself: no part of a VAE's own file.
        if (name.starts_with(ldm_prefix)) continue;
        tensors[name] = {file, from};
    }
    return tensors;
}

path file_of(const path& vae) {
    if (type_at(vae) != std::filesystem::file_type::directory) return vae;
    for (const path& folder : {vae, vae / "vae"})
        for (const char* name :
             {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"})
            if (is_there(folder / name)) return folder / name;
    throw Error(vae.string(), "is no VAE: it has no diffusion_pytorch_model.safetensors");
}

// Shapes do not tell the groups of its norms; Stable Diffusion's have the default.
void check_groups(const VaeConfig& config) {
    if (config.tiny) return;
    for (const std::int64_t channels : config.block_out_channels)
        if (channels % config.norm_num_groups != 0)
            throw Error("VAE", "has " + std::to_string(channels) +
                                   " channels, whose norms are not in " +
                                   std::to_string(config.norm_num_groups) +
                                   " groups: give its folder, whose config.json says in how many");
}

}  // namespace

path other_vae(const path& model, const LoadOptions& options) {
    if (!options.vae.empty()) return options.vae;
    path beside = model;
    beside.replace_extension(".vae.safetensors");
    return is_there(beside) ? beside : path();
}

void replace_vae(ModelFiles& files, const path& vae) {
    const path place = file_of(vae);
    const auto file = std::make_shared<const SafetensorsFile>(place);
    const bool tiny = file->tensors().contains("decoder.layers.0.weight");
    const bool diffusers =
        tiny || (file->tensors().contains("encoder.conv_in.weight") &&
                 file->tensors().contains("decoder.mid_block.resnets.0.conv1.weight"));
    files.vae = {place.string(), {}};
    if (diffusers)
        for (const auto& [name, info] : file->tensors()) files.vae.tensors[name] = {file, {name}};
    else
        files.vae.tensors = ldm_vae(file);
    if (!tiny && !files.vae.tensors.contains("decoder.conv_in.weight"))
        throw Error(place.string(), "is no VAE: it has no tensor decoder.conv_in.weight");
    const path config = place.parent_path() / "config.json";
    try {
        files.vae_config = diffusers && is_there(config)
                               ? VaeConfig::from_json(read_json_file(config))
                               : VaeConfig::detect_from_weights(lazy_weights(files.vae));
        check_groups(files.vae_config);
    } catch (const Error& error) {
        throw Error(place.string(), error.what());
    }
}

void apply_clip_skip(ModelFiles& files, const LoadOptions& options) {
    if (options.clip_skip < 1) return;
    TextEncoderConfig& config = files.text_encoder_config;
    // diffusers' folders of SD 2.x leave the last of OpenCLIP's 24 layers out of the file.
    constexpr std::int64_t open_clip_width = 1024, open_clip_layers = 24;
    const bool lacks_last =
        config.hidden_size == open_clip_width && config.num_hidden_layers == open_clip_layers - 1;
    const std::int64_t skipped = options.clip_skip - 1 - (lacks_last ? 1 : 0);
    if (skipped >= config.num_hidden_layers)
        throw Error("--clip-skip", std::to_string(options.clip_skip) +
                                       " leaves no layer: the text encoder has " +
                                       std::to_string(config.num_hidden_layers));
    config.skip_last_layers = std::max<std::int64_t>(skipped, 0);
}

Adapters open_adapters_of(const ModelFiles& files, const LoadOptions& options) {
    if (options.adapters.empty()) return {};
    return open_adapters(options.adapters, files.unet.shapes(), files.text_encoder.shapes());
}

}  // namespace keepsake::pipeline
