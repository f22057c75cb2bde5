#include "pipeline/networks/unet.h"
#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

TEST(UNetConfig, ReadsWhatTheFileSays) {
    const UNetConfig sd2 = UNetConfig::from_json(NetworkGolden("unet_sd2").config);
    EXPECT_EQ(sd2.num_heads, (std::vector<std::int64_t>{1, 2, 3, 4}));
    EXPECT_EQ(sd2.down_attention, (std::vector<bool>{true, true, true, false}));
    EXPECT_EQ(sd2.up_attention, (std::vector<bool>{false, true, true, true}));
    EXPECT_TRUE(sd2.use_linear_projection);
    EXPECT_TRUE(sd2.upcast_attention);
    EXPECT_EQ(sd2.sample_size, 24);
    const UNetConfig options = UNetConfig::from_json(NetworkGolden("unet_options").config);
    EXPECT_FALSE(options.flip_sin_to_cos);
    EXPECT_EQ(options.freq_shift, 1);
    EXPECT_EQ(options.transformer_layers_per_block, 2);
    EXPECT_EQ(UNetConfig::from_json(NetworkGolden("unet_sd1").config).num_heads,
              (std::vector<std::int64_t>{8, 8, 8, 8}));
}

TEST(UNetConfig, AcceptsListsOfEqualValuesAndAbsentSwitches) {
    nlohmann::json config = NetworkGolden("unet_bundled").config;
    config["layers_per_block"] = {1, 1, 1};
    config["cross_attention_dim"] = {24, 24, 24};
    config["only_cross_attention"] = {false, false, false};
    config["sample_size"] = {16, 16};
    config["resnet_out_scale_factor"] = 1.0;
    for (const char* key : {"class_embed_type", "dual_cross_attention", "attention_type"})
        config.erase(key);
    const UNetConfig found = UNetConfig::from_json(config);
    EXPECT_EQ(found.layers_per_block, 1);
    EXPECT_EQ(found.cross_attention_dim, 24);
    EXPECT_EQ(found.sample_size, 16);
}

TEST(UNetConfig, NamesEveryUnsupportedKeyInOneError) {
    const std::map<std::string, nlohmann::json> unsupported = {
        {"act_fn", "gelu"},
        {"addition_embed_type", "text_time"},
        {"attention_head_dim", {4, 4}},
        {"attention_type", "gated"},
        {"block_out_channels", {16, 0, 32}},
        {"center_input_sample", true},
        {"class_embed_type", "timestep"},
        {"class_embeddings_concat", true},
        {"conv_in_kernel", 1},
        {"conv_out_kernel", 1},
        {"cross_attention_dim", {24, 24, 32}},
        {"cross_attention_norm", "layer_norm"},
        {"down_block_types", {"DownBlock2D", "AttnDownBlock2D", "DownBlock2D"}},
        {"downsample_padding", 0},
        {"dual_cross_attention", true},
        {"encoder_hid_dim", 32},
        {"encoder_hid_dim_type", "text_proj"},
        {"in_channels", -8},
        {"layers_per_block", {1, 2, 1}},
        {"mid_block_only_cross_attention", true},
        {"mid_block_scale_factor", 2},
        {"mid_block_type", "UNetMidBlock2D"},
        {"norm_num_groups", "8"},
        {"num_attention_heads", 8},
        {"num_class_embeds", 1000},
        {"only_cross_attention", {true, false, false}},
        {"out_channels", 1e9},
        {"projection_class_embeddings_input_dim", 2816},
        {"resnet_out_scale_factor", 1.5},
        {"resnet_skip_time_act", true},
        {"resnet_time_scale_shift", "scale_shift"},
        {"reverse_transformer_layers_per_block", {1, 1, 1}},
        {"sample_size", {16, 24}},
        {"time_cond_proj_dim", 2},
        {"time_embedding_act_fn", "silu"},
        {"time_embedding_dim", 99},
        {"time_embedding_type", "fourier"},
        {"timestep_post_act", "silu"},
        {"transformer_layers_per_block", {0, 1, 2}},
        {"up_block_types", {"UpBlock2D", "UpBlock2D"}},
        {"upcast_attention", "yes"},
        {"use_linear_projection", 1},
    };
    const nlohmann::json good = NetworkGolden("unet_bundled").config;
    nlohmann::json all = good;
    for (const auto& [key, value] : unsupported) {
        nlohmann::json config = good;
        config[key] = all[key] = value;
        const std::string message = error_of([&] { UNetConfig::from_json(config); });
        EXPECT_CONTAINS(message, "U-Net config: not supported: ") << key;
        EXPECT_CONTAINS(message, key + " = " + value.dump());
    }
    const std::string message = error_of([&] { UNetConfig::from_json(all); });
    for (const auto& [key, value] : unsupported) EXPECT_CONTAINS(message, key + " = ");
}

TEST(UNetConfig, NamesWhatIsMissing) {
    const nlohmann::json good = NetworkGolden("unet_bundled").config;
    for (const char* key : {"in_channels", "out_channels", "block_out_channels", "down_block_types",
                            "up_block_types", "cross_attention_dim"}) {
        nlohmann::json config = good;
        config.erase(key);
        EXPECT_CONTAINS(error_of([&] { UNetConfig::from_json(config); }),
                        std::string(key) + " (missing)");
    }
    EXPECT_CONTAINS(error_of([&] { UNetConfig::from_json("text"); }), "not a JSON object");
}

// A few bytes of a stranger's file would ask for a million times a million layers.
TEST(UNetConfig, DepthHasALimit) {
    nlohmann::json config = NetworkGolden("unet_bundled").config;
    config["layers_per_block"] = config["transformer_layers_per_block"] = 1'000'000;
    const std::string message = error_of([&] { UNetConfig::from_json(config); });
    EXPECT_CONTAINS(message, ": layers_per_block = 1000000 (at most 32");
    EXPECT_CONTAINS(message, "transformer_layers_per_block = 1000000 (at most 32");
    config = NetworkGolden("unet_bundled").config;
    config["block_out_channels"] = std::vector<int>(17, 32);
    config["down_block_types"] = std::vector<std::string>(17, "DownBlock2D");
    config["up_block_types"] = std::vector<std::string>(17, "UpBlock2D");
    EXPECT_CONTAINS(error_of([&] { UNetConfig::from_json(config); }), "(too many levels)");
}

TEST(UNetConfig, WidthsMustFitGroupsAndHeads) {
    nlohmann::json config = NetworkGolden("unet_bundled").config;
    config["norm_num_groups"] = 7;
    config["attention_head_dim"] = {4, 5, 4};
    const std::string message = error_of([&] { UNetConfig::from_json(config); });
    EXPECT_CONTAINS(message, "norm_num_groups = 7 (does not divide");
    EXPECT_CONTAINS(message, "attention_head_dim = [4,5,4] (as numbers of heads");
}

TEST(UNetConfig, DetectedFromWeightsIsTheConfigs) {
    for (const char* style : {"unet_sd1", "unet_sd2", "unet_bundled", "unet_options"}) {
        const NetworkGolden golden(style);
        const UNetConfig expected = UNetConfig::from_json(golden.config);
        const UNetConfig found =
            UNetConfig::detect_from_weights(Weights::from_tensors(golden.weights));
        EXPECT_EQ(found.in_channels, expected.in_channels) << style;
        EXPECT_EQ(found.out_channels, expected.out_channels) << style;
        EXPECT_EQ(found.block_out_channels, expected.block_out_channels) << style;
        EXPECT_EQ(found.down_attention, expected.down_attention) << style;
        EXPECT_EQ(found.up_attention, expected.up_attention) << style;
        EXPECT_EQ(found.layers_per_block, expected.layers_per_block) << style;
        EXPECT_EQ(found.cross_attention_dim, expected.cross_attention_dim) << style;
        EXPECT_EQ(found.transformer_layers_per_block, expected.transformer_layers_per_block)
            << style;
        EXPECT_EQ(found.use_linear_projection, expected.use_linear_projection) << style;
    }
    EXPECT_CONTAINS(error_of([] { UNetConfig::detect_from_weights(Weights::from_tensors({})); }),
                    "no tensor conv_in.weight");
}

TEST(UNetConfig, DetectedHeadsFollowStableDiffusion) {
    std::map<std::string, Weights::Source> sources;
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
        sources[name] = {std::move(shape)};
    };
    add("conv_in.weight", {320, 4, 3, 3});
    add("conv_out.weight", {4, 320, 3, 3});
    const std::int64_t widths[] = {320, 640, 1280, 1280};
    for (int i = 0; i < 4; ++i)
        for (const char* layer : {"0", "1"})
            add("down_blocks." + std::to_string(i) + ".resnets." + layer + ".conv1.weight",
                {widths[i], widths[std::max(i - 1, 0)], 3, 3});
    add("mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight", {1280, 1024});
    add("mid_block.attentions.0.proj_in.weight", {1280, 1280});
    const UNetConfig sd2 = UNetConfig::detect_from_weights(Weights(sources, "checkpoint"));
    EXPECT_EQ(sd2.num_heads, (std::vector<std::int64_t>{5, 10, 20, 20}));
    EXPECT_EQ(sd2.layers_per_block, 2);
    EXPECT_EQ(sd2.cross_attention_dim, 1024);
    EXPECT_TRUE(sd2.upcast_attention);
    add("mid_block.attentions.0.proj_in.weight", {1280, 1280, 1, 1});
    const UNetConfig sd1 = UNetConfig::detect_from_weights(Weights(sources, "checkpoint"));
    EXPECT_EQ(sd1.num_heads, (std::vector<std::int64_t>{8, 8, 8, 8}));
    EXPECT_FALSE(sd1.upcast_attention);
}

}  // namespace
}  // namespace keepsake::pipeline
