#include "pipeline/files/ldm_layout.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "pipeline/files/open_clip_layout.h"
#include "pipeline/files/tensor_names.h"

namespace keepsake::pipeline {
namespace {

// ------------------------------------------------------------------------------------- U-Net

// openaimodel.UNetModel. input_blocks count the first convolution, then a level's layers and its
// downsampler; output_blocks have one layer more a level, with the upsampler in the level's last.
struct UNetNames {
    std::int64_t layers_per_block = 1;

    std::optional<std::string> operator()(std::string_view name) const {
        static constexpr std::array<Rename, 5> ends = {{{"time_embed.0", "time_embedding.linear_1"},
                                                        {"time_embed.2", "time_embedding.linear_2"},
                                                        {"input_blocks.0.0", "conv_in"},
                                                        {"out.0", "conv_norm_out"},
                                                        {"out.2", "conv_out"}}};
        if (auto known = renamed(name, ends)) return known;
        if (take_word(name, "input_blocks")) return input_block(name);
        if (take_word(name, "middle_block")) return middle_block(name);
        if (take_word(name, "output_blocks")) return output_block(name);
        return std::nullopt;
    }

    static std::optional<std::string> resnet(const std::string& prefix, std::string_view name) {
        static constexpr std::array<Rename, 6> parts = {{{"in_layers.0", "norm1"},
                                                         {"in_layers.2", "conv1"},
                                                         {"emb_layers.1", "time_emb_proj"},
                                                         {"out_layers.0", "norm2"},
                                                         {"out_layers.3", "conv2"},
                                                         {"skip_connection", "conv_shortcut"}}};
        auto known = renamed(name, parts);
        return known ? std::optional(prefix + *known) : std::nullopt;
    }

    std::optional<std::string> input_block(std::string_view name) const {
        const auto block = take_number(name);
        const auto place = take_number(name);
        if (!block || !place || *block == 0 || *place > 1) return std::nullopt;
        const auto level = numbered("down_blocks.", (*block - 1) / (layers_per_block + 1), ".");
        const auto layer = (*block - 1) % (layers_per_block + 1);
        if (*place == 1) return numbered(level + "attentions.", layer, ".").append(name);
        if (take_word(name, "op")) return (level + "downsamplers.0.conv.").append(name);
        return resnet(numbered(level + "resnets.", layer, "."), name);
    }

    static std::optional<std::string> middle_block(std::string_view name) {
        const auto place = take_number(name);
        if (!place || *place > 2) return std::nullopt;
        if (*place == 1) return std::string("mid_block.attentions.0.").append(name);
        return resnet(numbered("mid_block.resnets.", *place / 2, "."), name);
    }

    std::optional<std::string> output_block(std::string_view name) const {
        const auto block = take_number(name);
        const auto place = take_number(name);
        if (!block || !place || *place > 2) return std::nullopt;
        const auto level = numbered("up_blocks.", *block / (layers_per_block + 1), ".");
        const auto layer = *block % (layers_per_block + 1);
        if (*place == 0) return resnet(numbered(level + "resnets.", layer, "."), name);
        if (take_word(name, "conv")) return (level + "upsamplers.0.conv.").append(name);
        if (*place == 2) return std::nullopt;
        return numbered(level + "attentions.", layer, ".").append(name);
    }
};

constexpr std::string_view unet_prefix = "model.diffusion_model.";
constexpr std::string_view vae_prefix = "first_stage_model.";
constexpr std::string_view clip_prefix = "cond_stage_model.transformer.";
constexpr std::string_view open_clip_prefix = "cond_stage_model.model.";

UNetNames unet_names(const std::map<std::string, TensorInfo>& tensors) {
    const auto has = [&](std::int64_t block, std::string_view rest) {
        return tensors.contains(numbered(std::string(unet_prefix) + "input_blocks.", block, rest));
    };
    // The block before the first downsampler is the last of the first level.
    std::int64_t block = 1;
    while (has(block, ".0.in_layers.0.weight")) ++block;
    return UNetNames{std::max<std::int64_t>(block - 1, 1)};
}

// ------------------------------------------------------------------------------- autoencoder

// ldm.modules.diffusionmodules.model. The decoder's levels count from the output.
struct VaeNames {
    std::int64_t up_levels = 0;

    std::optional<std::string> operator()(std::string_view name) const {
        if (name.starts_with("quant_conv.") || name.starts_with("post_quant_conv."))
            return std::string(name);
        for (const std::string_view half : {"encoder", "decoder"})
            if (take_word(name, half)) {
                const auto inner = half_name(name);
                return inner ? std::optional(std::string(half) + "." + *inner) : std::nullopt;
            }
        return std::nullopt;
    }

    std::optional<std::string> half_name(std::string_view name) const {
        static constexpr std::array<Rename, 3> ends = {
            {{"conv_in", "conv_in"}, {"norm_out", "conv_norm_out"}, {"conv_out", "conv_out"}}};
        if (auto known = renamed(name, ends)) return known;
        if (take_word(name, "mid")) return mid(name);
        const bool down = take_word(name, "down");
        if (!down && !take_word(name, "up")) return std::nullopt;
        const auto level = take_number(name);
        if (!level) return std::nullopt;
        const auto prefix = down ? numbered("down_blocks.", *level, ".")
                                 : numbered("up_blocks.", up_levels - 1 - *level, ".");
        if (take_word(name, "block")) {
            const auto layer = take_number(name);
            if (!layer) return std::nullopt;
            return numbered(prefix + "resnets.", *layer, ".") + resnet_part(name);
        }
        if (take_word(name, down ? "downsample" : "upsample"))
            return (prefix + (down ? "downsamplers.0." : "upsamplers.0.")).append(name);
        return std::nullopt;
    }

    static std::string resnet_part(std::string_view name) {
        static constexpr std::array<Rename, 1> parts = {{{"nin_shortcut", "conv_shortcut"}}};
        return renamed(name, parts).value_or(std::string(name));
    }

    static std::optional<std::string> mid(std::string_view name) {
        static constexpr std::array<Rename, 5> attention = {{{"norm", "group_norm"},
                                                             {"q", "to_q"},
                                                             {"k", "to_k"},
                                                             {"v", "to_v"},
                                                             {"proj_out", "to_out.0"}}};
        if (take_word(name, "block_1")) return "mid_block.resnets.0." + resnet_part(name);
        if (take_word(name, "block_2")) return "mid_block.resnets.1." + resnet_part(name);
        if (!take_word(name, "attn_1")) return std::nullopt;
        const auto part = renamed(name, attention);
        return part ? std::optional("mid_block.attentions.0." + *part) : std::nullopt;
    }
};

VaeNames vae_names(const std::map<std::string, TensorInfo>& tensors) {
    VaeNames names;
    while (tensors.contains(numbered(std::string(vae_prefix) + "decoder.up.", names.up_levels,
                                     ".block.0.norm1.weight")))
        ++names.up_levels;
    return names;
}

// ------------------------------------------------------------------------------ text encoder

// A whole CLIP has more than its text tower: a vision tower, projections, a temperature.
void add_clip(LdmLayout& layout, std::string_view name, const std::string& source) {
    if (name.ends_with("position_ids")) return;
    // Some early fine-tunes lack the outer name.
    const bool bare = name.starts_with("embeddings.") || name.starts_with("encoder.") ||
                      name.starts_with("final_layer_norm.");
    if (bare || name.starts_with("text_model."))
        layout.text_encoder[std::string(bare ? "text_model." : "").append(name)] = {source};
    else
        layout.left_alone.push_back(source);
}

// open_clip's text tower. Of 24 layers SD 2.x uses 23.
void add_open_clip(LdmLayout& layout, std::string_view name, const std::string& source) {
    static constexpr std::string_view unused_layer = "text_model.encoder.layers.23.";
    if (name == "text_projection" || name == "logit_scale" || is_open_clip_buffer(name)) return;
    const std::vector<FromOpenClip> known = from_open_clip(name);
    if (known.empty()) layout.text_encoder[source] = {source};
    for (const FromOpenClip& one : known)
        if (!one.name.starts_with(unused_layer))
            layout.text_encoder[one.name] = {source, one.part, one.parts};
}

// What training leaves in a checkpoint beside the weights.
bool is_left_by_training(std::string_view name) {
    static constexpr std::array<std::string_view, 19> buffers = {"betas",
                                                                 "alphas_cumprod",
                                                                 "alphas_cumprod_prev",
                                                                 "sqrt_alphas_cumprod",
                                                                 "sqrt_one_minus_alphas_cumprod",
                                                                 "log_one_minus_alphas_cumprod",
                                                                 "sqrt_recip_alphas_cumprod",
                                                                 "sqrt_recipm1_alphas_cumprod",
                                                                 "posterior_variance",
                                                                 "posterior_log_variance_clipped",
                                                                 "posterior_mean_coef1",
                                                                 "posterior_mean_coef2",
                                                                 "lvlb_weights",
                                                                 "logvar",
                                                                 "scale_factor",
                                                                 "global_step",
                                                                 "epoch",
                                                                 "v_pred",
                                                                 "ztsnr"};
    return name.starts_with("model_ema.") || name.find(".model_ema.") != name.npos ||
           name.starts_with("first_stage_model.loss.") ||
           std::ranges::find(buffers, name) != buffers.end();
}

bool is_low_rank(std::string_view name) {
    return name.starts_with("lora_") || name.find(".lora_") != name.npos ||
           name.find(".lora.") != name.npos;
}

}  // namespace

LdmLayout read_ldm_layout(const std::map<std::string, TensorInfo>& tensors) {
    const auto unet = unet_names(tensors);
    const auto vae = vae_names(tensors);
    LdmLayout layout;
    for (const auto& [source, info] : tensors) {
        const std::string_view name = source;
        if (is_left_by_training(name)) continue;
        if (is_low_rank(name)) {
            layout.left_alone.push_back(source);
        } else if (name.starts_with(unet_prefix)) {
            layout.unet[unet(name.substr(unet_prefix.size())).value_or(source)] = {source};
        } else if (name.starts_with(vae_prefix)) {
            const auto mapped = vae(name.substr(vae_prefix.size())).value_or(source);
            const bool linear =
                info.shape.size() > 2 && mapped.find(".attentions.") != std::string::npos;
            layout.vae[mapped] = {source, 0, 1, linear};
        } else if (name.starts_with(clip_prefix)) {
            add_clip(layout, name.substr(clip_prefix.size()), source);
        } else if (name.starts_with(open_clip_prefix) &&
                   !name.substr(open_clip_prefix.size()).starts_with("visual.")) {
            layout.open_clip = true;
            add_open_clip(layout, name.substr(open_clip_prefix.size()), source);
        } else {
            layout.left_alone.push_back(source);
        }
    }
    return layout;
}

std::vector<std::int64_t> ldm_shape(const LdmTensor& tensor,
                                    std::vector<std::int64_t> source_shape) {
    // Rows that do not divide are left as they are: the network then names the tensor as misshapen.
    if (!source_shape.empty() && source_shape[0] % tensor.parts == 0)
        source_shape[0] /= tensor.parts;
    if (tensor.linear)
        while (source_shape.size() > 2 && source_shape.back() == 1) source_shape.pop_back();
    return source_shape;
}

Tensor read_ldm_tensor(const SafetensorsFile& file, const LdmTensor& tensor, at::ScalarType as) {
    const Tensor whole = file.read(tensor.source, as);
    const auto shape = ldm_shape(tensor, whole.sizes().vec());
    if (tensor.parts == 1) return whole.view(shape);
    const auto rows = whole.size(0) / tensor.parts;
    return whole.narrow(0, tensor.part * rows, rows).clone();
}

}  // namespace keepsake::pipeline
