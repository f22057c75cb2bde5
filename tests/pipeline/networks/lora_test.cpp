#include "pipeline/networks/lora.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/model/generate.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

const Model& flowers() {
    static const Model model = load_model(KEEPSAKE_ASSETS "/models/flowers");
    return model;
}

struct Input {
    Tensor sample = randn({2, 8, 16, 16}, make_generator(1));
    Tensor timestep = at::full({1}, 400.0, at::kFloat);
    Tensor context = randn({2, 77, 192}, make_generator(2));
};

LoraSet random_loras(std::int64_t rank) {
    LoraSet loras = make_loras(flowers().unet, rank, make_generator(3));
    for (auto& [layer, lora] : loras) lora.up = randn(lora.up.sizes(), make_generator(4)) * 0.02;
    return loras;
}

double difference(const Tensor& a, const Tensor& b) {
    return ((a - b).norm() / b.norm()).item<double>();
}

TEST(Lora, AFreshOneChangesNothing) {
    const at::NoGradGuard no_grad;
    const Input in;
    const UNet with = with_loras(flowers().unet, make_loras(flowers().unet, 4, make_generator(3)));
    EXPECT_LT(difference(with(in.sample, in.timestep, in.context),
                         flowers().unet(in.sample, in.timestep, in.context)),
              1e-6);
}

TEST(Lora, BesideTheWeightsAndInThemIsTheSame) {
    const at::NoGradGuard no_grad;
    const Input in;
    const LoraSet loras = random_loras(16);
    const Tensor beside = with_loras(flowers().unet, loras)(in.sample, in.timestep, in.context);
    const Tensor merged = merge_loras(flowers().unet, loras)(in.sample, in.timestep, in.context);
    const Tensor without = flowers().unet(in.sample, in.timestep, in.context);
    EXPECT_GT(difference(beside, without), 0.05);
    EXPECT_LT(difference(merged, beside), 1e-5);
}

TEST(Lora, FileGivesTheSameNetwork) {
    const at::NoGradGuard no_grad;
    const keepsake::testing::TemporaryFolder folder;
    const Input in;
    const LoraSet loras = random_loras(8);
    save_loras(folder.path / "l.safetensors", loras, {{"made", "here"}});
    const LoraSet read = load_loras(folder.path / "l.safetensors", flowers().unet);
    EXPECT_EQ(read.size(), loras.size());
    EXPECT_TRUE(at::equal(with_loras(flowers().unet, read)(in.sample, in.timestep, in.context),
                          with_loras(flowers().unet, loras)(in.sample, in.timestep, in.context)));
}

TEST(Lora, AlphaScales) {
    const keepsake::testing::TemporaryFolder folder;
    const std::string layer = "mid_block.attentions.0.proj_in";
    const LoraSet loras = {{layer, random_loras(4).at(layer)}};
    const auto path = folder.path / "l.safetensors";
    save_loras(path, loras, {});
    TensorMap tensors;
    const SafetensorsFile file(path);
    for (const auto& [name, info] : file.tensors()) tensors[name] = file.read(name);
    tensors["lora_unet_mid_block_attentions_0_proj_in.alpha"] = at::scalar_tensor(2.0);
    write_safetensors(path, tensors, {});
    EXPECT_TRUE(
        at::allclose(load_loras(path, flowers().unet).at(layer).up, loras.at(layer).up * 0.5));
}

TEST(Lora, AScaleOfItsOwnIsMergedAndWritten) {
    const at::NoGradGuard no_grad;
    const keepsake::testing::TemporaryFolder folder;
    const Input in;
    LoraSet loras = random_loras(4);
    for (auto& [layer, lora] : loras) lora.scale = 3;
    const Tensor beside = with_loras(flowers().unet, loras)(in.sample, in.timestep, in.context);
    EXPECT_LT(
        difference(merge_loras(flowers().unet, loras)(in.sample, in.timestep, in.context), beside),
        1e-5);
    save_loras(folder.path / "l.safetensors", loras, {});
    EXPECT_EQ(SafetensorsFile(folder.path / "l.safetensors").metadata().at("ss_network_alpha"),
              "12");
    const LoraSet read = load_loras(folder.path / "l.safetensors", flowers().unet);
    EXPECT_LT(
        difference(with_loras(flowers().unet, read)(in.sample, in.timestep, in.context), beside),
        1e-6);
}

TEST(Lora, WhatDoesNotFitIsNamed) {
    const keepsake::testing::TemporaryFolder folder;
    const auto path = folder.path / "l.safetensors";
    const auto message = [&](const TensorMap& tensors) -> std::string {
        write_safetensors(path, tensors, {});
        try {
            load_loras(path, flowers().unet);
        } catch (const Error& error) {
            return error.what();
        }
        return "no error";
    };
    const Tensor matrix = at::zeros({4, 192});
    EXPECT_NE(message({{"lora_unet_no_such_layer.lora_up.weight", matrix}}).find("no_such_layer"),
              std::string::npos);
    const std::string q = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q.lora_";
    EXPECT_NE(message({{q + "down.weight", matrix}}).find("lacks the other"), std::string::npos);
    EXPECT_NE(message({{q + "down.weight", matrix}, {q + "up.weight", at::zeros({191, 4})}})
                  .find("attn1.to_q"),
              std::string::npos);
    EXPECT_THROW(make_loras(flowers().unet, 0, make_generator(1)), Error);
}

}  // namespace
}  // namespace keepsake::pipeline
