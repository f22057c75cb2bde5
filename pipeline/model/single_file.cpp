// Opens a checkpoint in the original latent-diffusion layout: one file, weights alone. What the
// weights do not say follows diffusers' convert_from_ckpt.
#include <algorithm>
#include <set>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/model/model_files.h"

namespace keepsake::pipeline {
namespace {

using std::filesystem::path;

constexpr std::int64_t sd2_text_width = 1024;
// The last training step of stable-diffusion-2-base, the one SD 2.x model that predicts epsilon and
// that its file tells from the others.
constexpr std::int64_t sd2_base_global_step = 875000;
// SD 2.x pads with "!", not with the end token; its tokenizer_config.json says so, CLIP's does not.
constexpr std::int64_t sd2_pad_id = 0;

bool any_name(const SafetensorsFile& file, std::string_view part) {
    return std::ranges::any_of(file.tensors(), [&](const auto& tensor) {
        return tensor.first.find(part) != std::string::npos;
    });
}

// "7 tensors of no component: a, b, c, d, e, ..."; empty where there is none.
std::string told(const std::vector<std::string>& names) {
    constexpr std::size_t most = 5;
    if (names.empty()) return {};
    std::string text = std::to_string(names.size()) + (names.size() == 1 ? " tensor" : " tensors") +
                       " of no component: ";
    for (std::size_t i = 0; i < std::min(names.size(), most); ++i)
        text += (i ? ", " : "") + names[i];
    return names.size() > most ? text + ", ..." : text;
}

// Says what the file is, where it is no checkpoint that can be loaded.
void check_is_checkpoint(const SafetensorsFile& file, const LdmLayout& layout, bool other_vae) {
    const auto refuse = [&](const std::string& why) { throw Error(file.path().string(), why); };
    if (is_lora(file)) refuse("is a LoRA, not a model: give it with --lora");
    if (any_name(file, "conditioner.embedders."))
        refuse("is a Stable Diffusion XL checkpoint; only 1.x and 2.x are supported");
    if (layout.unet.empty() && layout.vae.empty() && layout.text_encoder.empty() &&
        (any_name(file, "down_blocks.0.") || any_name(file, "encoder.layers.0.")))
        refuse("is one component of a model; give the diffusers folder that it is part of");
    if (!file.tensors().contains("model.diffusion_model.input_blocks.0.0.weight"))
        refuse(
            "is no Stable Diffusion 1.x or 2.x checkpoint: it has no tensor "
            "model.diffusion_model.input_blocks.0.0.weight");
    if (layout.vae.empty() && !other_vae)
        refuse("has no VAE (first_stage_model.*): give one with --vae, or put it beside as " +
               file.path().stem().string() + ".vae.safetensors");
    if (layout.text_encoder.empty()) refuse("has no text encoder (cond_stage_model.*)");
}

// Norms take whole groups; their number is in no tensor of the file.
void check_widths(const char* component, const std::vector<std::int64_t>& widths,
                  std::int64_t groups) {
    for (const std::int64_t width : widths)
        if (width < 1 || width % groups != 0)
            throw Error(component, "has a level of width " + std::to_string(width) +
                                       ", which is no multiple of " + std::to_string(groups));
}

ComponentFiles component(const std::shared_ptr<const SafetensorsFile>& file, std::string_view name,
                         const std::map<std::string, LdmTensor>& tensors) {
    ComponentFiles component{file->path().string() + " (" + std::string(name) + ")", {}};
    for (const auto& [key, tensor] : tensors) component.tensors[key] = {file, tensor};
    return component;
}

std::optional<std::int64_t> global_step(const SafetensorsFile& file) {
    if (!file.tensors().contains("global_step")) return std::nullopt;
    const Tensor step = file.read("global_step");
    return step.numel() == 1 ? std::optional(step.item().toLong()) : std::nullopt;
}

// The schedule that a diffusers scheduler_config.json beside the checkpoint, <stem>.json, gives; a
// prediction type alone is enough. Other programs put other JSON files there: those say nothing
// here.
std::optional<ScheduleConfig> schedule_beside(const path& checkpoint, std::string& source) {
    auto beside = checkpoint;
    beside.replace_extension(".json");
    if (!is_there(beside)) return std::nullopt;
    const auto content = read_json_file(beside);
    const bool whole = content.is_object() && content.contains("beta_schedule");
    if (!whole && !(content.is_object() && content.contains("prediction_type")))
        return std::nullopt;
    source = beside.filename().string();
    try {
        const auto schedule = ScheduleConfig::from_json(content);
        return whole ? schedule : ScheduleConfig::stable_diffusion(schedule.prediction_type);
    } catch (const Error& error) {
        throw Error(beside.string(), error.what());
    }
}

StatedPrediction assumed_prediction(const SafetensorsFile& file, bool sd2) {
    const bool predicts_v = sd2 && global_step(file) != sd2_base_global_step;
    return {predicts_v ? PredictionType::v_prediction : PredictionType::epsilon,
            std::string("assumed for SD ") + (sd2 ? "2.x" : "1.x")};
}

void set_schedule(ModelFiles& files, const SafetensorsFile& file, const LoadOptions& options,
                  bool sd2) {
    const auto whole = schedule_beside(files.path, files.schedule_source);
    if (whole) {
        files.schedule = *whole;
    } else {
        const auto stated = stated_prediction(file).value_or(assumed_prediction(file, sd2));
        files.schedule = ScheduleConfig::stable_diffusion(stated.type);
        files.schedule_source = stated.source;
    }
    apply_prediction(files, options);
    if (!whole && file.tensors().contains("ztsnr") &&
        files.schedule.prediction_type == PredictionType::v_prediction) {
        files.schedule.rescale_betas_zero_snr = true;
        // Where the paper says that sampling should begin: with the timestep that is all noise.
        files.schedule.timestep_spacing = TimestepSpacing::trailing;
        files.schedule_source += ", zero terminal SNR";
    }
}

path find_tokenizer(const path& checkpoint, const LoadOptions& options) {
    if (!options.tokenizer.empty()) return options.tokenizer;
    const auto beside = checkpoint.parent_path() / "tokenizer";
    return is_there(beside) ? beside : options.default_tokenizer;
}

}  // namespace

void apply_prediction(ModelFiles& files, const LoadOptions& options) {
    if (!options.prediction_type) return;
    files.schedule.prediction_type = *options.prediction_type;
    files.schedule_source = "as asked for";
}

bool is_lora(const SafetensorsFile& file) {
    if (any_name(file, "model.diffusion_model.")) return false;
    return any_name(file, "lora_down") || any_name(file, "lora_A") || any_name(file, "lora.down");
}

ModelFiles open_single_file(const path& path, const LoadOptions& options) {
    const auto file = std::make_shared<const SafetensorsFile>(path);
    const auto layout = read_ldm_layout(file->tensors());
    const auto vae = other_vae(path, options);
    check_is_checkpoint(*file, layout, !vae.empty());

    ModelFiles files;
    files.path = path;
    files.left_alone = told(layout.left_alone);
    files.text_encoder = component(file, "text encoder", layout.text_encoder);
    files.vae = component(file, "VAE", layout.vae);
    if (!vae.empty()) replace_vae(files, vae);
    files.unet = component(file, "U-Net", layout.unet);
    try {
        files.text_encoder_config =
            TextEncoderConfig::detect_from_weights(lazy_weights(files.text_encoder));
        if (vae.empty()) files.vae_config = VaeConfig::detect_from_weights(lazy_weights(files.vae));
        files.unet_config = UNetConfig::detect_from_weights(lazy_weights(files.unet));
        check_widths("VAE", files.vae_config.block_out_channels, files.vae_config.norm_num_groups);
        check_widths("U-Net", files.unet_config.block_out_channels,
                     files.unet_config.norm_num_groups);
    } catch (const Error& error) {
        throw Error(path.string(), error.what());
    }

    const bool sd2 = layout.open_clip || files.unet_config.cross_attention_dim == sd2_text_width;
    files.kind = std::string("Stable Diffusion ") + (sd2 ? "2.x" : "1.x") +
                 " checkpoint, original LDM layout";
    if (layout.open_clip) files.text_encoder_config.hidden_act = "gelu";
    set_schedule(files, *file, options, sd2);
    // As in diffusers, SD 2.x models that predict v are taken for those of 768 pixels. Their
    // attention overflows float16 unless it is computed in float32.
    const bool large = sd2 && files.schedule.prediction_type == PredictionType::v_prediction;
    files.unet_config.sample_size = (large ? 768 : 512) / files.vae_config.downscale();
    files.unet_config.upcast_attention = sd2;

    files.tokenizer = find_tokenizer(path, options);
    if (sd2 && files.tokenizer == options.default_tokenizer) files.pad_id = sd2_pad_id;
    return files;
}

}  // namespace keepsake::pipeline
