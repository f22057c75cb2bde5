#include "pipeline/files/open_clip_layout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "pipeline/files/config_fields.h"
#include "pipeline/files/tensor_names.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;

// One block of torch's MultiheadAttention; rest: its name after "resblocks.<number>.".
std::vector<FromOpenClip> block(const std::string& prefix, std::string_view rest) {
    static constexpr std::array<Rename, 5> parts = {{{"ln_1", "layer_norm1"},
                                                     {"ln_2", "layer_norm2"},
                                                     {"mlp.c_fc", "mlp.fc1"},
                                                     {"mlp.c_proj", "mlp.fc2"},
                                                     {"attn.out_proj", "self_attn.out_proj"}}};
    if (const auto part = renamed(rest, parts)) return {{prefix + *part}};
    if (rest != "attn.in_proj_weight" && rest != "attn.in_proj_bias") return {};
    const char* kind = rest.ends_with("weight") ? ".weight" : ".bias";
    std::vector<FromOpenClip> three;
    for (std::int64_t i = 0; i < 3; ++i)
        three.push_back({prefix + "self_attn." + "qkv"[i] + "_proj" + kind, i, 3});
    return three;
}

// rest: the name without "visual."; ends: what is not of a block.
std::vector<FromOpenClip> tower(const std::string& prefix, std::string_view rest,
                                std::span<const Rename> ends) {
    if (const auto known = renamed(rest, ends)) return {{prefix + *known}};
    if (!take_word(rest, "transformer") || !take_word(rest, "resblocks")) return {};
    const auto layer = take_number(rest);
    if (!layer) return {};
    return block(numbered(prefix + "encoder.layers.", *layer, "."), rest);
}

void accept_only(ConfigFields& fields, std::initializer_list<std::pair<const char*, json>> values) {
    for (const auto& [key, value] : values) fields.only(key, value);
}

// What both encoders may be asked for, of which CLIP has nothing.
void reject_changed_blocks(ConfigFields& fields) {
    accept_only(fields, {{"ls_init_value", nullptr},
                         {"final_ln_after_pool", false},
                         {"act_kwargs", json::object()},
                         {"block_type", "default"},
                         {"qk_norm", false},
                         {"scaled_cosine_attn", false},
                         {"scale_heads", false},
                         {"scale_attn_inner", false},
                         {"scale_attn", false},
                         {"scale_fc", false}});
}

const json& part_of(const json& config, const char* key) {
    static const json none = json::object();
    const auto found = config.is_object() ? config.find(key) : config.end();
    return found != config.end() && found->is_object() ? *found : none;
}

double eps_of(const json& config) {
    ConfigFields fields(part_of(config, "norm_kwargs"), "norm_kwargs");
    const double eps = fields.number("eps", 1e-5);
    fields.finish();
    return eps;
}

// int(width * mlp_ratio), as Python computes it.
std::int64_t inner_width(ConfigFields& fields, std::int64_t width) {
    const double inner = static_cast<double>(width) * fields.number("mlp_ratio", 4);
    if (inner >= 1 && inner <= 1e6) return static_cast<std::int64_t>(inner);
    fields.reject("mlp_ratio", "makes no width");
    return 1;
}

json vision_config(const json& config, const char* activation) {
    ConfigFields fields(config, "vision_cfg");
    reject_changed_blocks(fields);
    accept_only(fields, {{"timm_model_name", nullptr},
                         {"attentional_pool", false},
                         {"no_ln_pre", false},
                         {"pos_embed_type", "learnable"},
                         {"pool_type", "tok"}});
    const std::int64_t width = fields.size("width", 768);
    const std::int64_t head = fields.size("head_width", 64);
    if (head > width || width % head != 0) fields.reject("head_width", "does not divide the width");
    json result = {{"model_type", "clip_vision_model"},
                   {"image_size", fields.size("image_size", 224)},
                   {"patch_size", fields.size("patch_size", 16)},
                   {"num_channels", 3},
                   {"hidden_size", width},
                   {"intermediate_size", inner_width(fields, width)},
                   {"num_hidden_layers", fields.size("layers", 12)},
                   {"num_attention_heads", std::max<std::int64_t>(width / head, 1)},
                   {"layer_norm_eps", eps_of(config)},
                   {"hidden_act", activation}};
    fields.finish();
    return result;
}

json text_config(const json& config, const char* activation) {
    ConfigFields fields(config, "text_cfg");
    reject_changed_blocks(fields);
    accept_only(fields, {{"hf_model_name", nullptr},
                         {"embed_cls", false},
                         {"no_causal_mask", false},
                         {"pool_type", "argmax"},
                         {"proj_type", "linear"},
                         {"proj_bias", false}});
    const std::int64_t width = fields.size("width", 512);
    json result = {{"model_type", "clip_text_model"},
                   {"vocab_size", fields.size("vocab_size", 49408)},
                   {"max_position_embeddings", fields.size("context_length", 77)},
                   {"hidden_size", width},
                   {"intermediate_size", inner_width(fields, width)},
                   {"num_hidden_layers", fields.size("layers", 12)},
                   {"num_attention_heads", fields.size("heads", 8)},
                   {"layer_norm_eps", eps_of(config)},
                   {"hidden_act", activation},
                   // Of the greatest id, whatever the end's is: how transformers reads a 2.
                   {"eos_token_id", 2}};
    fields.finish();
    return result;
}

}  // namespace

std::vector<FromOpenClip> from_open_clip(std::string_view name) {
    static constexpr std::array<Rename, 3> of_text = {
        {{"positional_embedding", "embeddings.position_embedding.weight"},
         {"token_embedding", "embeddings.token_embedding"},
         {"ln_final", "final_layer_norm"}}};
    static constexpr std::array<Rename, 5> of_pictures = {
        {{"positional_embedding", "embeddings.position_embedding.weight"},
         {"class_embedding", "embeddings.class_embedding"},
         {"conv1", "embeddings.patch_embedding"},
         {"ln_pre", "pre_layrnorm"},  // their spelling
         {"ln_post", "post_layernorm"}}};
    if (name == "logit_scale") return {{"logit_scale"}};
    if (name == "text_projection") return {{"text_projection.weight", 0, 1, true}};
    if (name == "visual.proj") return {{"visual_projection.weight", 0, 1, true}};
    if (take_word(name, "visual")) return tower("vision_model.", name, of_pictures);
    return tower("text_model.", name, of_text);
}

bool is_open_clip_buffer(std::string_view name) {
    return name == "attn_mask";
}

TensorMap read_open_clip(const SafetensorsFile& file, at::ScalarType as) {
    TensorMap tensors;
    for (const auto& [source, info] : file.tensors()) {
        if (is_open_clip_buffer(source)) continue;
        const Tensor whole = file.read(source, as);
        const std::vector<FromOpenClip> known = from_open_clip(source);
        if (known.empty()) tensors[source] = whole;
        for (const FromOpenClip& one : known) {
            // What does not divide, or has other dimensions, is left to the network to name.
            const bool divides = whole.dim() > 0 && whole.size(0) % one.parts == 0;
            const std::int64_t rows = divides ? whole.size(0) / one.parts : 0;
            Tensor part = one.parts > 1 && divides ? whole.narrow(0, one.part * rows, rows) : whole;
            if (one.transposed && part.dim() == 2) part = part.t();
            tensors[one.name] = part.clone(at::MemoryFormat::Contiguous);
        }
    }
    return tensors;
}

json config_of_open_clip(const json& open_clip) {
    const bool wrapped = open_clip.is_object() && open_clip.contains("model_cfg");
    const json& config = wrapped ? open_clip["model_cfg"] : open_clip;
    ConfigFields fields(config, "open_clip config");
    const std::int64_t width = fields.size("embed_dim");
    const char* activation = fields.flag("quick_gelu", false) ? "quick_gelu" : "gelu";
    accept_only(fields, {{"custom_text", false},
                         {"init_logit_bias", nullptr},
                         {"nonscalar_logit_scale", false},
                         {"multimodal_cfg", nullptr}});
    fields.finish();
    return {{"model_type", "clip"},
            {"architectures", {"CLIPModel"}},
            {"projection_dim", width},
            {"logit_scale_init_value", std::log(1 / 0.07)},
            {"text_config", text_config(part_of(config, "text_cfg"), activation)},
            {"vision_config", vision_config(part_of(config, "vision_cfg"), activation)}};
}

}  // namespace keepsake::pipeline
