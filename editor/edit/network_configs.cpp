#include "editor/edit/network_configs.h"

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"

namespace keepsake::editor {

using nlohmann::ordered_json;

ordered_json config_json(const pipeline::VaeConfig& config, std::int64_t sample_size) {
    const std::size_t levels = config.block_out_channels.size();
    ordered_json json;
    json["_class_name"] = "AutoencoderKL";
    json["act_fn"] = "silu";
    json["block_out_channels"] = config.block_out_channels;
    json["down_block_types"] = std::vector<std::string>(levels, "DownEncoderBlock2D");
    json["in_channels"] = config.in_channels;
    json["latent_channels"] = config.latent_channels;
    json["layers_per_block"] = config.layers_per_block;
    json["mid_block_add_attention"] = config.mid_block_add_attention;
    json["norm_num_groups"] = config.norm_num_groups;
    json["out_channels"] = config.out_channels;
    json["sample_size"] = sample_size;
    json["scaling_factor"] = config.scaling_factor;
    json["up_block_types"] = std::vector<std::string>(levels, "UpDecoderBlock2D");
    json["use_post_quant_conv"] = config.use_post_quant_conv;
    json["use_quant_conv"] = config.use_quant_conv;
    return json;
}

ordered_json config_json(const pipeline::UNetConfig& config) {
    const auto types = [](const std::vector<bool>& attention, const std::string& plain) {
        std::vector<std::string> names;
        for (const bool has : attention) names.push_back(has ? "CrossAttn" + plain : plain);
        return names;
    };
    ordered_json json;
    json["_class_name"] = "UNet2DConditionModel";
    json["act_fn"] = "silu";
    json["attention_head_dim"] = config.num_heads;
    json["block_out_channels"] = config.block_out_channels;
    json["cross_attention_dim"] = config.cross_attention_dim;
    json["down_block_types"] = types(config.down_attention, "DownBlock2D");
    json["flip_sin_to_cos"] = config.flip_sin_to_cos;
    json["freq_shift"] = config.freq_shift;
    json["in_channels"] = config.in_channels;
    json["layers_per_block"] = config.layers_per_block;
    json["norm_eps"] = config.norm_eps;
    json["norm_num_groups"] = config.norm_num_groups;
    json["out_channels"] = config.out_channels;
    json["sample_size"] = config.sample_size;
    if (config.time_cond_proj_dim > 0) json["time_cond_proj_dim"] = config.time_cond_proj_dim;
    json["transformer_layers_per_block"] = config.transformer_layers_per_block;
    json["up_block_types"] = types(config.up_attention, "UpBlock2D");
    json["upcast_attention"] = config.upcast_attention;
    json["use_linear_projection"] = config.use_linear_projection;
    return json;
}

nlohmann::json read_network_config(const std::filesystem::path& path,
                                   const std::string& component) {
    if (type_at(path) != std::filesystem::file_type::directory) return read_json_file(path);
    const std::filesystem::path part = path / component / "config.json";
    return read_json_file(is_there(part) ? part : path / "config.json");
}

}  // namespace keepsake::editor
