// Where a VaeConfig comes from: a diffusers folder's config.json, or a checkpoint's tensors.
#include <algorithm>

#include "pipeline/error.h"
#include "pipeline/files/config_fields.h"
#include "pipeline/networks/vae.h"

namespace keepsake::pipeline {

namespace {

void check_block_types(ConfigFields& fields, const std::string& key, const std::string& supported,
                       std::size_t levels) {
    const auto types = fields.texts(key);
    if (!types.empty() &&
        (types.size() != levels ||
         !std::ranges::all_of(types, [&](const auto& type) { return type == supported; })))
        fields.reject(key, "only " + supported + " on each of the " + std::to_string(levels) +
                               " levels is supported");
}

std::vector<std::int64_t> blocks(ConfigFields& fields, const nlohmann::json& json,
                                 const std::string& key, std::vector<std::int64_t> fallback) {
    if (!json.contains(key)) return fallback;
    std::vector<std::int64_t> found = fields.sizes(key);
    if (found.empty() || found.size() > most_levels) fields.reject(key, "too few or many levels");
    for (const std::int64_t count : found) fields.at_most(key, count, most_layers);
    return found;
}

// Of diffusers' AutoencoderTiny.
VaeConfig tiny_from_json(const nlohmann::json& json) {
    ConfigFields fields(json, "VAE config");
    VaeConfig config;
    config.in_channels = fields.size("in_channels", config.in_channels);
    config.out_channels = fields.size("out_channels", config.out_channels);
    config.latent_channels = fields.size("latent_channels", config.latent_channels);
    config.scaling_factor = fields.number("scaling_factor", 1);
    if (!(config.scaling_factor > 0)) fields.reject("scaling_factor", "should be above 0");
    TinyVaeConfig tiny;
    tiny.encoder_blocks = blocks(fields, json, "num_encoder_blocks", tiny.encoder_blocks);
    tiny.decoder_blocks = blocks(fields, json, "num_decoder_blocks", tiny.decoder_blocks);
    if (tiny.encoder_blocks.size() != tiny.decoder_blocks.size())
        fields.reject("num_decoder_blocks", "has not as many levels as num_encoder_blocks");
    // diffusers has a width for each level, but its blocks want the same on all.
    tiny.encoder_width = fields.same_on_every_level("encoder_block_out_channels",
                                                    tiny.encoder_blocks.size(), tiny.encoder_width);
    tiny.decoder_width = fields.same_on_every_level("decoder_block_out_channels",
                                                    tiny.decoder_blocks.size(), tiny.decoder_width);
    fields.only("act_fn", "relu");
    fields.only("upsample_fn", "nearest");
    fields.only("upsampling_scaling_factor", 2);
    if (json.contains("shift_factor")) fields.only("shift_factor", 0.0);
    fields.finish();
    config.block_out_channels.assign(tiny.decoder_blocks.size(), tiny.decoder_width);
    config.use_quant_conv = config.use_post_quant_conv = config.mid_block_add_attention = false;
    config.tiny = tiny;
    return config;
}

bool is_tiny(const nlohmann::json& json) {
    return json.is_object() && (json.value("_class_name", nlohmann::json()) == "AutoencoderTiny" ||
                                json.contains("num_decoder_blocks"));
}

}  // namespace

VaeConfig VaeConfig::from_json(const nlohmann::json& json) {
    if (is_tiny(json)) return tiny_from_json(json);
    ConfigFields fields(json, "VAE config");
    VaeConfig config;
    config.in_channels = fields.size("in_channels", config.in_channels);
    config.out_channels = fields.size("out_channels", config.out_channels);
    config.latent_channels = fields.size("latent_channels", config.latent_channels);
    config.block_out_channels = fields.sizes("block_out_channels");
    config.layers_per_block = fields.size("layers_per_block");
    config.norm_num_groups = fields.size("norm_num_groups", config.norm_num_groups);
    config.scaling_factor = fields.number("scaling_factor", config.scaling_factor);
    config.use_quant_conv = fields.flag("use_quant_conv", true);
    config.use_post_quant_conv = fields.flag("use_post_quant_conv", true);
    config.mid_block_add_attention = fields.flag("mid_block_add_attention", true);

    const std::size_t levels = config.block_out_channels.size();
    check_block_types(fields, "down_block_types", "DownEncoderBlock2D", levels);
    check_block_types(fields, "up_block_types", "UpDecoderBlock2D", levels);
    if (levels > most_levels) fields.reject("block_out_channels", "too many levels");
    fields.at_most("layers_per_block", config.layers_per_block, most_layers);
    for (const std::int64_t channels : config.block_out_channels)
        if (channels % config.norm_num_groups != 0) {
            fields.reject("norm_num_groups", "does not divide every width of block_out_channels");
            break;
        }
    if (!(config.scaling_factor > 0)) fields.reject("scaling_factor", "should be above 0");
    fields.only("act_fn", "silu");
    for (const char* key : {"shift_factor", "latents_mean", "latents_std"})
        fields.only(key, nullptr);
    fields.finish();
    return config;
}

VaeConfig VaeConfig::detect_from_weights(const Weights& weights) {
    const auto convolution = [&](const std::string& name) {
        const auto shape = weights.shape(name);
        if (shape.size() != 4)
            throw Error("VAE", shape.empty() ? "has no tensor " + name
                                             : name + " should have four dimensions");
        return shape;
    };
    // TAESD without its config: the number of layers is diffusers' default.
    if (weights.contains("decoder.layers.0.weight")) {
        nlohmann::json json;
        json["encoder_block_out_channels"] = convolution("encoder.layers.0.weight")[0];
        json["decoder_block_out_channels"] = convolution("decoder.layers.0.weight")[0];
        json["latent_channels"] = convolution("decoder.layers.0.weight")[1];
        return tiny_from_json(json);
    }
    const auto resnet = [](std::size_t level, std::int64_t index) {
        return "encoder.down_blocks." + std::to_string(level) + ".resnets." +
               std::to_string(index) + ".conv1.weight";
    };
    VaeConfig config;
    config.in_channels = convolution("encoder.conv_in.weight")[1];
    config.out_channels = convolution("decoder.conv_out.weight")[0];
    config.latent_channels = convolution("decoder.conv_in.weight")[1];
    config.block_out_channels = {convolution(resnet(0, 0))[0]};
    while (weights.contains(resnet(config.block_out_channels.size(), 0)))
        config.block_out_channels.push_back(
            convolution(resnet(config.block_out_channels.size(), 0))[0]);
    config.layers_per_block = 1;
    while (weights.contains(resnet(0, config.layers_per_block))) ++config.layers_per_block;
    if (config.block_out_channels.size() > most_levels || config.layers_per_block > most_layers)
        throw Error("VAE", "has more layers than are supported");
    config.use_quant_conv = weights.contains("quant_conv.weight");
    config.use_post_quant_conv = weights.contains("post_quant_conv.weight");
    config.mid_block_add_attention =
        weights.contains("encoder.mid_block.attentions.0.group_norm.weight");
    return config;
}

}  // namespace keepsake::pipeline
