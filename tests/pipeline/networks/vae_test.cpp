#include "pipeline/networks/vae.h"

#include <ATen/CPUGeneratorImpl.h>

#include "pipeline/compute/kernels.h"
#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

Vae vae_of(const NetworkGolden& golden) {
    return Vae(VaeConfig::from_json(golden.config), Weights::from_tensors(golden.weights));
}

class VaeGolden : public testing::TestWithParam<const char*> {};

TEST_P(VaeGolden, EncodeSampleDecodeAndGradients) {
    const NetworkGolden golden(GetParam());
    const Vae vae = vae_of(golden);
    require_gradients(vae.parameters());
    const LatentDistribution latents = vae.encode(golden["image"]);
    EXPECT_LE(relative_error(latents.mean, golden["mean"]), tolerance);
    EXPECT_LE(relative_error(latents.logvar, golden["logvar"]), tolerance);
    EXPECT_LE(
        relative_error(latents.sample(at::detail::createCPUGenerator(1234)), golden["sample"]),
        tolerance);
    const Tensor decoded = vae.decode(golden["z"]);
    EXPECT_LE(relative_error(decoded, golden["decoded"]), tolerance);
    EXPECT_TRUE(latents.mean.is_contiguous());
    EXPECT_TRUE(decoded.is_contiguous());

    ((latents.mean * golden["mean_probe"]).sum() + (latents.logvar * golden["logvar_probe"]).sum() +
     (decoded * golden["decoded_probe"]).sum())
        .backward();
    expect_gradients(vae.parameters(), golden);
}

INSTANTIATE_TEST_SUITE_P(Styles, VaeGolden, testing::Values("vae_sd", "vae_bundled", "vae_plain"),
                         [](const auto& info) { return std::string(info.param); });

class TinyVaeGolden : public testing::TestWithParam<const char*> {};

TEST_P(TinyVaeGolden, EncodeAndDecode) {
    const at::NoGradGuard no_grad;
    const NetworkGolden golden(GetParam());
    const Vae vae = vae_of(golden);
    const LatentDistribution latents = vae.encode(golden["image"]);
    EXPECT_LE(relative_error(latents.mean, golden["mean"]), tolerance);
    EXPECT_LE(relative_error(vae.decode(golden["z"]), golden["decoded"]), tolerance);
    EXPECT_EQ(vae.config().scaling_factor, 1);
    EXPECT_EQ(vae.config().downscale(), golden["image"].size(2) / golden["mean"].size(2));
    // As diffusers has it the latents are not drawn: the generator is as it was.
    at::Generator generator = at::detail::createCPUGenerator(1234);
    EXPECT_TRUE(at::equal(latents.sample(generator), latents.mean));
    EXPECT_TRUE(
        at::equal(at::randn({4}, generator, at::TensorOptions()),
                  at::randn({4}, at::detail::createCPUGenerator(1234), at::TensorOptions())));
}

INSTANTIATE_TEST_SUITE_P(Styles, TinyVaeGolden, testing::Values("vae_tiny", "vae_tiny_odd"),
                         [](const auto& info) { return std::string(info.param); });

TEST(TinyVae, RefusesWhatDiffusersHasBesideIt) {
    NetworkGolden golden("vae_tiny_odd");
    golden.config["act_fn"] = "gelu";
    golden.config["encoder_block_out_channels"] = {24, 24, 32};
    EXPECT_CONTAINS(error_of([&] { vae_of(golden); }), "act_fn");
    EXPECT_CONTAINS(error_of([&] { vae_of(golden); }), "encoder_block_out_channels");
}

TEST(TinyVae, AFileWithoutItsConfigIsStableDiffusions) {
    const at::NoGradGuard no_grad;
    const NetworkGolden golden("vae_tiny");
    const Weights weights = Weights::from_tensors(golden.weights);
    const Vae vae(VaeConfig::detect_from_weights(weights), weights);
    EXPECT_LE(relative_error(vae.decode(golden["z"]), golden["decoded"]), tolerance);
}

TEST(Vae, TakesTheAttentionNamesOfOlderFiles) {
    const NetworkGolden golden("vae_sd");
    const std::pair<std::string, std::string> renamings[] = {{".to_q.", ".query."},
                                                             {".to_k.", ".key."},
                                                             {".to_v.", ".value."},
                                                             {".to_out.0.", ".proj_attn."}};
    TensorMap older;
    int renamed = 0;
    for (const auto& [present_name, present_tensor] : golden.weights) {
        std::string name = present_name;
        Tensor tensor = present_tensor;
        for (const auto& [present, old] : renamings)
            if (const auto at = name.find(present); at != std::string::npos) {
                name.replace(at, present.size(), old);
                if (tensor.dim() == 2) tensor = tensor.unsqueeze(-1).unsqueeze(-1);
                ++renamed;
            }
        older[name] = tensor;
    }
    ASSERT_EQ(renamed, 16);
    const Vae vae(VaeConfig::from_json(golden.config), Weights::from_tensors(older));
    EXPECT_LE(relative_error(vae.encode(golden["image"]).mean, golden["mean"]), tolerance);
    EXPECT_LE(relative_error(vae.decode(golden["z"]), golden["decoded"]), tolerance);
    for (const auto& [name, tensor] : golden.weights)
        EXPECT_EQ(vae.parameters().at(name).sizes(), tensor.sizes()) << name;
}

TEST(Vae, ClampsTheLogVariance) {
    NetworkGolden golden("vae_sd");
    golden.weights.at("quant_conv.bias").slice(0, 4, 8) += at::tensor({500., -500., 0., 0.});
    const Tensor logvar = vae_of(golden).encode(golden["image"]).logvar;
    EXPECT_EQ(logvar.select(1, 0).min().item<float>(), 20.0F);
    EXPECT_EQ(logvar.select(1, 1).max().item<float>(), -30.0F);
}

TEST(Vae, RefusesPicturesOfOddSize) {
    const Vae vae = vae_of(NetworkGolden("vae_sd"));
    EXPECT_CONTAINS(error_of([&] {
                        vae.encode(at::zeros({1, 3, 24, 20}));
                    }),
                    "20x24 pixels: width and height must be multiples of 8");
    EXPECT_CONTAINS(error_of([&] { vae.encode(at::zeros({1, 4, 24, 24})); }), "(B, 3, H, W)");
    EXPECT_CONTAINS(error_of([&] { vae.encode(at::zeros({1, 3, 0, 24})); }), "24x0 pixels");
    EXPECT_CONTAINS(error_of([&] { vae.decode(at::zeros({1, 3, 4, 4})); }), "(B, 4, h, w)");
}

TEST(VaeConfig, NamesEveryUnsupportedKey) {
    const nlohmann::json good = NetworkGolden("vae_bundled").config;
    EXPECT_EQ(VaeConfig::from_json(good).downscale(), 8);
    EXPECT_DOUBLE_EQ(VaeConfig::from_json(good).scaling_factor, 0.34698188304901123);
    nlohmann::json config = good;
    config["act_fn"] = "mish";
    config["shift_factor"] = 0.1;
    config["latents_mean"] = {0.0, 0.0};
    config["down_block_types"][1] = "AttnDownEncoderBlock2D";
    config["up_block_types"].erase(0);
    config["norm_num_groups"] = 3;
    config["scaling_factor"] = 0;
    config.erase("layers_per_block");
    const std::string message = error_of([&] { VaeConfig::from_json(config); });
    for (const char* part :
         {"VAE config", "act_fn = \"mish\"", "shift_factor = 0.1", "latents_mean",
          "down_block_types", "up_block_types", "norm_num_groups = 3", "scaling_factor = 0",
          "layers_per_block (missing)"})
        EXPECT_CONTAINS(message, part);
}

TEST(VaeConfig, DepthHasALimit) {
    nlohmann::json config = NetworkGolden("vae_bundled").config;
    config["layers_per_block"] = 1'000'000;
    EXPECT_CONTAINS(error_of([&] { VaeConfig::from_json(config); }),
                    "layers_per_block = 1000000 (at most 32");
}

TEST(VaeConfig, DetectedFromWeightsIsTheConfigs) {
    for (const char* name : {"vae_sd", "vae_bundled", "vae_plain"}) {
        const NetworkGolden golden(name);
        const VaeConfig expected = VaeConfig::from_json(golden.config);
        const VaeConfig found =
            VaeConfig::detect_from_weights(Weights::from_tensors(golden.weights));
        EXPECT_EQ(found.in_channels, expected.in_channels);
        EXPECT_EQ(found.out_channels, expected.out_channels);
        EXPECT_EQ(found.latent_channels, expected.latent_channels);
        EXPECT_EQ(found.block_out_channels, expected.block_out_channels);
        EXPECT_EQ(found.layers_per_block, expected.layers_per_block);
        EXPECT_EQ(found.use_quant_conv, expected.use_quant_conv);
        EXPECT_EQ(found.use_post_quant_conv, expected.use_post_quant_conv);
        EXPECT_EQ(found.mid_block_add_attention, expected.mid_block_add_attention);
        EXPECT_DOUBLE_EQ(found.scaling_factor, 0.18215);
    }
    EXPECT_CONTAINS(error_of([] { VaeConfig::detect_from_weights(Weights::from_tensors({})); }),
                    "no tensor encoder.conv_in.weight");
}

// 80 million parameters in float16, which large networks keep. The first convolution of the decoder
// (16 latent channels) is among those that are kept.
std::map<std::string, Weights::Source> half_weights(const VaeConfig& config) {
    std::map<std::string, Weights::Source> sources;
    const auto add = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
        sources[name] = {shape, at::kHalf, [shape](at::ScalarType as) {
                             return at::full(shape, 0.01, at::kHalf).to(as);
                         }};
    };
    const std::int64_t width = config.block_out_channels.front(), latent = config.latent_channels;
    const auto convolution = [&](const std::string& name, std::int64_t in, std::int64_t out) {
        add(name + ".weight", {out, in, 3, 3});
        add(name + ".bias", {out});
    };
    const auto resnets = [&](const std::string& prefix, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i)
            for (const char* part : {"1", "2"}) {
                const std::string resnet = prefix + ".resnets." + std::to_string(i) + ".";
                convolution(resnet + "conv" + part, width, width);
                add(resnet + "norm" + part + ".weight", {width});
                add(resnet + "norm" + part + ".bias", {width});
            }
    };
    for (const std::string half : {"encoder", "decoder"}) {
        const bool encoder = half == "encoder";
        convolution(half + ".conv_in", encoder ? 3 : latent, width);
        resnets(half + (encoder ? ".down_blocks.0" : ".up_blocks.0"),
                config.layers_per_block + !encoder);
        resnets(half + ".mid_block", 2);
        add(half + ".conv_norm_out.weight", {width});
        add(half + ".conv_norm_out.bias", {width});
        convolution(half + ".conv_out", width, encoder ? 2 * latent : 3);
    }
    return sources;
}

TEST(Vae, LargeOneComputesInTheWorkingPrecision) {
    VaeConfig config;
    config.latent_channels = 16;
    config.block_out_channels = {512};
    config.layers_per_block = 6;
    config.mid_block_add_attention = config.use_quant_conv = config.use_post_quant_conv = false;
    const at::NoGradGuard no_grad;
    const Tensor z = at::linspace(-1, 1, 16 * 9).view({1, 16, 3, 3});
    const auto decode = [&](bool keep) {
        Weights weights(half_weights(config), "VAE");
        if (keep) weights.keep_stored_precision();
        const Vae vae(config, std::move(weights));
        const bool kept = vae.parameters().at("decoder.conv_in.weight").scalar_type() == at::kHalf;
        EXPECT_EQ(kept, keep && kernels::best_kernels());
        return vae.decode(z);
    };
    const Tensor found = decode(true);
    EXPECT_EQ(found.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(found, decode(false)));
}

TEST(Vae, BundledWeights) {
    const NetworkGolden golden("bundled");
    const std::string folder = KEEPSAKE_ASSETS "/models/flowers/vae/";
    const Vae vae(VaeConfig::from_json(read_json(folder + "config.json")),
                  read_weights(folder + "diffusion_pytorch_model.safetensors"));
    const at::NoGradGuard no_grad;
    EXPECT_LE(relative_error(vae.encode(golden["image"]).mean, golden["mean"]), tolerance);
    EXPECT_LE(relative_error(vae.decode(golden["mean"]), golden["decoded"]), tolerance);
}

}  // namespace
}  // namespace keepsake::pipeline
