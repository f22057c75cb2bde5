// Adapters, another VAE and another layer of the text encoder, given to load_model.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/model/generate.h"
#include "pipeline/networks/lora.h"
#include "tests/pipeline/model/model_on_disk.h"
#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

using keepsake::testing::bundled_model;
using keepsake::testing::TemporaryFolder;

const Model& flowers() {
    static const Model model = load_model(bundled_model());
    return model;
}

LoraSet random_loras() {
    LoraSet loras = make_loras(flowers().unet, 4, make_generator(3));
    for (auto& [layer, lora] : loras) lora.up = randn(lora.up.sizes(), make_generator(4)) * 0.02;
    return loras;
}

TEST(ModelOverrides, ALoraIsAddedAsTheWeightsAreRead) {
    const at::NoGradGuard no_grad;
    const TemporaryFolder folder;
    const auto path = folder.path / "l.safetensors";
    const LoraSet loras = random_loras();
    save_loras(path, loras, {});
    const Model with = load_model(bundled_model(), {.adapters = {{path, 1}}});
    EXPECT_EQ(with.adapters.at(0).complaint(), "");
    EXPECT_NE(with.fingerprint, flowers().fingerprint);
    const Tensor x = randn({1, 8, 16, 16}, make_generator(1));
    const Tensor t = at::full({1}, 400.0, at::kFloat), context = encode_text(flowers(), "a rose");
    const Tensor expected = merge_loras(flowers().unet, loras)(x, t, context);
    EXPECT_LT(relative_error(with.unet(x, t, context), expected), 1e-5);
    EXPECT_GT(relative_error(flowers().unet(x, t, context), expected), 1e-2);
    // Twice at half weight is once at full weight; at weight 0 nothing changes.
    const Model halves = load_model(bundled_model(), {.adapters = {{path, 0.5}, {path, 0.5}}});
    EXPECT_LT(relative_error(halves.unet(x, t, context), expected), 1e-5);
    const Model none = load_model(bundled_model(), {.adapters = {{path, 0}}});
    EXPECT_TRUE(at::equal(none.unet(x, t, context), flowers().unet(x, t, context)));
}

TEST(ModelOverrides, ATextEncodersLora) {
    const TemporaryFolder folder;
    const std::string layer = "encoder.layers.0.self_attn.q_proj";
    const std::int64_t width = flowers().text_encoder.config().hidden_size;
    const Tensor down = randn({2, width}, make_generator(5)),
                 up = randn({width, 2}, make_generator(6));
    write_safetensors(
        folder.path / "l.safetensors",
        {{"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight", down},
         {"lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight", up}},
        {});
    const Model with =
        load_model(bundled_model(), {.adapters = {{folder.path / "l.safetensors", 0.5}}});
    const Tensor expected =
        flowers().text_encoder.parameters().at(layer + ".weight") + 0.5 * up.mm(down);
    EXPECT_LT(relative_error(with.text_encoder.parameters().at(layer + ".weight"), expected), 1e-6);
}

TEST(ModelOverrides, ClipSkip) {
    const Model second = load_model(bundled_model(), {.clip_skip = 2});
    EXPECT_EQ(second.text_encoder.config().skip_last_layers, 1);
    EXPECT_GT(relative_error(encode_text(second, "a rose"), encode_text(flowers(), "a rose")),
              0.01);
    const Model first = load_model(bundled_model(), {.clip_skip = 1});
    EXPECT_TRUE(at::equal(encode_text(first, "a rose"), encode_text(flowers(), "a rose")));
    EXPECT_NE(second.fingerprint, flowers().fingerprint);
    EXPECT_CONTAINS(error_of([] { load_model(bundled_model(), {.clip_skip = 24}); }),
                    "--clip-skip: 24 leaves no layer");
}

TEST(ModelOverrides, AnotherVae) {
    const TemporaryFolder folder;
    TensorMap tensors =
        read_safetensors(bundled_model() / "vae/diffusion_pytorch_model.safetensors");
    tensors.at("decoder.conv_out.bias") = tensors.at("decoder.conv_out.bias").to(at::kFloat) + 0.25;
    const auto path = folder.path / "v.safetensors";
    write_safetensors(path, tensors, {});
    std::filesystem::copy_file(bundled_model() / "vae/config.json", folder.path / "config.json");
    const Tensor z = randn({1, flowers().vae.config().latent_channels, 4, 4}, make_generator(1));
    const Tensor plain = flowers().vae.decode(z);
    EXPECT_LT(
        relative_error(load_model(bundled_model(), {.vae = path}).vae.decode(z), plain + 0.25),
        1e-5);
    const auto whole = bundled_model() / "vae";
    EXPECT_TRUE(at::equal(load_model(bundled_model(), {.vae = whole}).vae.decode(z), plain));
    write_safetensors(path, {{"x", at::zeros({1})}}, {});
    EXPECT_CONTAINS(error_of([&] { load_model(bundled_model(), {.vae = path}); }),
                    "v.safetensors: is no VAE");
}

// As diffusers' AutoencoderTiny writes it, a folder; its latents have to be the model's.
TEST(ModelOverrides, ATinyVae) {
    const TemporaryFolder folder;
    const auto put = [&](int latents) {
        const std::string config = R"({"_class_name": "AutoencoderTiny", "latent_channels": )" +
                                   std::to_string(latents) +
                                   R"(, "encoder_block_out_channels": [16, 16, 16],
                                         "decoder_block_out_channels": [16, 16, 16],
                                         "num_encoder_blocks": [1, 1, 1],
                                         "num_decoder_blocks": [1, 1, 1]})";
        write_file_atomically(folder.path / "config.json", config);
        TensorMap tensors;
        at::Generator generator = make_generator(7);
        Weights fresh = Weights::fresh([&](const std::string& name, at::IntArrayRef shape) {
            return tensors[name] = randn(shape, generator) * 0.1;
        });
        const Vae vae(VaeConfig::from_json(nlohmann::json::parse(config)), std::move(fresh));
        write_safetensors(folder.path / "diffusion_pytorch_model.safetensors", tensors, {});
        return vae.decode(at::ones({1, latents, 4, 4}));
    };
    const auto latents = flowers().vae.config().latent_channels;
    const Tensor expected = put(static_cast<int>(latents));
    const Model with = load_model(bundled_model(), {.vae = folder.path});
    EXPECT_TRUE(with.vae.config().tiny.has_value());
    EXPECT_LT(relative_error(with.vae.decode(at::ones({1, latents, 4, 4})), expected), 1e-6);
    // Half of the latents do not make the model one of instructions.
    for (const auto other : {latents + 1, latents / 2}) {
        put(static_cast<int>(other));
        EXPECT_CONTAINS(error_of([&] { load_model(bundled_model(), {.vae = folder.path}); }),
                        "the VAE has " + std::to_string(other));
    }
}

// As people store them for small cards: weights of eight bits, everything else as it was.
TEST(ModelOverrides, WeightsOfEightBitsOpen) {
    const at::NoGradGuard no_grad;
    const testing::ModelFolder folder;
    const std::string name = "unet/diffusion_pytorch_model.safetensors";
    TensorMap tensors = read_safetensors(testing::bundled_model() / name), widened;
    for (auto& [key, tensor] : tensors) {
        if (tensor.dim() >= 2) tensor = tensor.to(at::kFloat8_e4m3fn);
        widened[key] = tensor.to(at::kFloat);
    }
    folder.replace(name, tensors);
    const Model small = load_model(folder.path);
    const testing::ModelFolder wide;
    wide.replace(name, widened);
    const Model large = load_model(wide.path);
    const Tensor x = randn({1, large.unet.config().in_channels, 8, 8}, make_generator(1));
    const Tensor text = encode_text(large, "a rose"), t = at::full({1}, 400.0);
    EXPECT_TRUE(at::equal(small.unet(x, t, text), large.unet(x, t, text)));
    EXPECT_NE(small.fingerprint, large.fingerprint);
}

}  // namespace
}  // namespace keepsake::pipeline
