// Where a UNetConfig comes from: a diffusers folder's config.json, or a checkpoint's tensors.
#include <algorithm>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/config_fields.h"
#include "pipeline/networks/unet.h"

namespace keepsake::pipeline {

namespace {

// The switches of UNet2DConditionModel that this network does not have, with the value that leaves
// them off.
const std::vector<std::pair<std::string, nlohmann::json>>& switches_left_off() {
    static const std::vector<std::pair<std::string, nlohmann::json>> switches = {
        {"act_fn", "silu"},
        {"addition_embed_type", nullptr},
        {"attention_type", "default"},
        {"center_input_sample", false},
        {"class_embed_type", nullptr},
        {"class_embeddings_concat", false},
        {"conv_in_kernel", 3},
        {"conv_out_kernel", 3},
        {"cross_attention_norm", nullptr},
        {"downsample_padding", 1},
        {"dual_cross_attention", false},
        {"encoder_hid_dim", nullptr},
        {"encoder_hid_dim_type", nullptr},
        {"mid_block_only_cross_attention", false},
        {"mid_block_scale_factor", 1},
        {"mid_block_type", "UNetMidBlock2DCrossAttn"},
        {"num_attention_heads", nullptr},
        {"num_class_embeds", nullptr},
        {"projection_class_embeddings_input_dim", nullptr},
        {"resnet_out_scale_factor", 1},
        {"resnet_skip_time_act", false},
        {"resnet_time_scale_shift", "default"},
        {"reverse_transformer_layers_per_block", nullptr},
        {"time_embedding_act_fn", nullptr},
        {"time_embedding_dim", nullptr},
        {"time_embedding_type", "positional"},
        {"timestep_post_act", nullptr},
    };
    return switches;
}

// One entry a level: whether it is of the block type with attention.
std::vector<bool> attention_per_level(ConfigFields& fields, const std::string& key,
                                      const std::string& plain, std::size_t levels) {
    const std::string with_attention = "CrossAttn" + plain;
    std::vector<bool> attention;
    for (const std::string& type : fields.texts(key)) {
        if (type != plain && type != with_attention) {
            fields.reject(key, "only " + plain + " and " + with_attention + " are supported");
            break;
        }
        attention.push_back(type == with_attention);
    }
    if (!attention.empty() && attention.size() != levels)
        fields.reject(key, "should have as many entries as block_out_channels");
    return attention;
}

void check_widths(ConfigFields& fields, const UNetConfig& config) {
    const auto& widths = config.block_out_channels;
    if (widths.front() % 2 != 0) fields.reject("block_out_channels", "the first should be even");
    const auto divides_all = [&](auto divisor) {
        for (std::size_t level = 0; level < widths.size(); ++level)
            if (widths[level] % divisor(level) != 0) return false;
        return true;
    };
    if (!divides_all([&](std::size_t) { return config.norm_num_groups; }))
        fields.reject("norm_num_groups", "does not divide every width of block_out_channels");
    if (!divides_all([&](std::size_t level) { return config.num_heads[level]; }))
        fields.reject("attention_head_dim",
                      "as numbers of heads these do not divide block_out_channels");
    if (config.freq_shift >= static_cast<double>(widths.front() / 2))
        fields.reject("freq_shift", "too large for the width of the first level");
}

// Of a config that tensors' names gave.
void check_depth(const UNetConfig& config) {
    if (config.block_out_channels.size() > most_levels || config.layers_per_block > most_layers ||
        config.transformer_layers_per_block > most_layers)
        throw Error("U-Net", "has more layers than are supported");
}

}  // namespace

UNetConfig UNetConfig::from_json(const nlohmann::json& json) {
    ConfigFields fields(json, "U-Net config");
    UNetConfig config;
    config.in_channels = fields.size("in_channels");
    config.out_channels = fields.size("out_channels");
    config.sample_size = fields.same_on_every_level("sample_size", 2, config.sample_size);
    config.block_out_channels = fields.sizes("block_out_channels");
    const std::size_t levels = config.block_out_channels.size();
    config.down_attention = attention_per_level(fields, "down_block_types", "DownBlock2D", levels);
    config.up_attention = attention_per_level(fields, "up_block_types", "UpBlock2D", levels);
    config.layers_per_block =
        fields.same_on_every_level("layers_per_block", levels, config.layers_per_block);
    config.num_heads = fields.sizes_per_level("attention_head_dim", levels, 8);
    config.transformer_layers_per_block =
        fields.same_on_every_level("transformer_layers_per_block", levels, 1);
    if (!json.contains("cross_attention_dim")) fields.reject("cross_attention_dim", "missing");
    config.cross_attention_dim = fields.same_on_every_level("cross_attention_dim", levels, 1280);
    config.norm_num_groups = fields.size("norm_num_groups", config.norm_num_groups);
    config.norm_eps = fields.number("norm_eps", config.norm_eps);
    config.use_linear_projection = fields.flag("use_linear_projection", false);
    config.upcast_attention = fields.flag("upcast_attention", false);
    config.flip_sin_to_cos = fields.flag("flip_sin_to_cos", true);
    config.freq_shift = fields.number("freq_shift", 0);
    config.time_cond_proj_dim = fields.size("time_cond_proj_dim", 0);
    if (config.time_cond_proj_dim == 1 || config.time_cond_proj_dim == 2)
        fields.reject("time_cond_proj_dim", "an embedding needs 3 numbers or more");

    if (const auto only = json.find("only_cross_attention");
        only == json.end() || !only->is_array() ||
        !std::ranges::all_of(*only, [](const auto& level) { return level == false; }))
        fields.only("only_cross_attention", false);
    for (const auto& [key, supported] : switches_left_off()) fields.only(key, supported);
    if (levels > most_levels) fields.reject("block_out_channels", "too many levels");
    fields.at_most("layers_per_block", config.layers_per_block, most_layers);
    fields.at_most("transformer_layers_per_block", config.transformer_layers_per_block,
                   most_layers);
    check_widths(fields, config);
    fields.finish();
    return config;
}

UNetConfig UNetConfig::detect_from_weights(const Weights& weights) {
    const auto shape = [&](const std::string& name) {
        auto found = weights.shape(name);
        if (found.size() < 2)
            throw Error("U-Net", found.empty() ? "has no tensor " + name
                                               : name + " should have two or more dimensions");
        return found;
    };
    const auto block = [](const char* side, std::size_t level, const char* kind, std::size_t i) {
        return std::string(side) + "_blocks." + std::to_string(level) + "." + kind + "." +
               std::to_string(i);
    };
    UNetConfig config;
    config.in_channels = shape("conv_in.weight")[1];
    config.out_channels = shape("conv_out.weight")[0];
    config.block_out_channels.clear();
    config.down_attention.clear();
    config.up_attention.clear();
    for (std::size_t i = 0;
         i == 0 || weights.contains(block("down", i, "resnets", 0) + ".conv1.weight"); ++i) {
        config.block_out_channels.push_back(
            shape(block("down", i, "resnets", 0) + ".conv1.weight")[0]);
        config.down_attention.push_back(
            weights.contains(block("down", i, "attentions", 0) + ".norm.weight"));
        config.up_attention.push_back(
            weights.contains(block("up", i, "attentions", 0) + ".norm.weight"));
    }
    config.layers_per_block = 1;
    while (weights.contains(block("down", 0, "resnets", config.layers_per_block) + ".conv1.weight"))
        ++config.layers_per_block;

    const std::string guidance = "time_embedding.cond_proj.weight";
    if (weights.contains(guidance)) config.time_cond_proj_dim = shape(guidance)[1];

    const std::string middle = "mid_block.attentions.0.";
    const auto middle_block = [&](std::int64_t i) {
        return middle + "transformer_blocks." + std::to_string(i) + ".attn2.to_k.weight";
    };
    config.cross_attention_dim = shape(middle_block(0))[1];
    config.transformer_layers_per_block = 1;
    while (weights.contains(middle_block(config.transformer_layers_per_block)))
        ++config.transformer_layers_per_block;
    config.use_linear_projection = shape(middle + "proj_in.weight").size() == 2;
    config.upcast_attention = config.use_linear_projection;
    config.num_heads.clear();
    for (const std::int64_t channels : config.block_out_channels)
        config.num_heads.push_back(
            config.use_linear_projection ? std::max<std::int64_t>(channels / 64, 1) : 8);
    check_depth(config);
    return config;
}

}  // namespace keepsake::pipeline
