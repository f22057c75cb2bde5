// Adapters in the layouts of kohya's scripts, LyCORIS, diffusers and peft, beside weights merged by
// peft (tests/goldens/make_adapter_goldens.py).
#include "pipeline/networks/adapter.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/files/atomic_file.h"
#include "pipeline/files/ldm_layout.h"
#include "pipeline/networks/adapter_names.h"
#include "tests/pipeline/networks/network_golden.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

const std::string goldens = KEEPSAKE_GOLDENS "/adapters/";

// The layers of the goldens, by the names that open_adapters has for them.
struct Base {
    TensorMap unet, text_encoder;
    Base() {
        for (const auto& [name, tensor] : read_safetensors(goldens + "base.safetensors")) {
            const std::string text = "text_encoder.text_model.";
            if (name.starts_with(text))
                text_encoder[name.substr(text.size())] = tensor;
            else
                unet[name.substr(std::string("unet.").size())] = tensor;
        }
    }
    static ShapeMap shapes(const TensorMap& tensors) {
        ShapeMap shapes;
        for (const auto& [name, tensor] : tensors) shapes[name] = tensor.sizes().vec();
        return shapes;
    }
    Adapters open(const std::vector<AdapterFile>& files) const {
        return open_adapters(files, shapes(unet), shapes(text_encoder));
    }
};

class AdapterGolden : public ::testing::TestWithParam<const char*> {};

TEST_P(AdapterGolden, IsTheReferences) {
    const std::string name = GetParam();
    const std::size_t at = name.find('@');
    const double weight = at == name.npos ? 1 : std::stod(name.substr(at + 1));
    const Base base;
    const Adapters adapters = base.open({{goldens + name.substr(0, at) + ".safetensors", weight}});
    EXPECT_EQ(adapters.reports[0].complaint(), "");
    std::size_t compared = 0;
    for (const auto& [key, expected] : read_safetensors(goldens + "expected.safetensors")) {
        if (!key.starts_with(name + "/")) continue;
        std::string layer = key.substr(name.size() + 1);
        const std::string text = "text_encoder.text_model.";
        const bool is_text = layer.starts_with(text);
        layer = layer.substr(is_text ? text.size() : std::string("unet.").size());
        const ChangeMap& changes = is_text ? adapters.text_encoder : adapters.unet;
        ASSERT_TRUE(changes.contains(layer)) << layer;
        const Tensor found =
            changed((is_text ? base.text_encoder : base.unet).at(layer).clone(), changes.at(layer));
        EXPECT_LT(relative_error(found, expected), 2e-6) << layer;
        ++compared;
    }
    EXPECT_EQ(compared, adapters.unet.size() + adapters.text_encoder.size());
    EXPECT_GT(compared, 0u);
}

INSTANTIATE_TEST_SUITE_P(Layouts, AdapterGolden,
                         ::testing::Values("kohya", "kohya@0.5", "ldm", "diffusers",
                                           "diffusers_old", "diffusers_oldest", "dora_diffusers",
                                           "dora_kohya", "dora_kohya@0.5", "rslora_diffusers",
                                           "loha", "loha_tucker", "lokr", "lokr_both", "lokr_conv",
                                           "lokr_tucker", "locon_tucker", "full", "ia3"),
                         [](const auto& info) {
                             std::string name = info.param;
                             for (char& c : name)
                                 if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                             return name;
                         });

TEST(Adapter, SeveralAreAddedOneAfterTheOther) {
    const Base base;
    const std::string layer = "down_blocks.0.resnets.0.conv1.weight";
    const AdapterFile kohya{goldens + "kohya.safetensors", 0.5};
    const AdapterFile loha{goldens + "loha.safetensors", -0.25};
    const Tensor weight = base.unet.at(layer);
    const Tensor both = changed(weight.clone(), base.open({kohya, loha}).unet.at(layer));
    const Tensor one = changed(weight.clone(), base.open({kohya}).unet.at(layer));
    const Tensor other = changed(weight.clone(), base.open({loha}).unet.at(layer));
    EXPECT_LT(relative_error(both, one + other - weight), 2e-6);
}

// peft's own folder: the scale is in a file beside the tensors.
TEST(Adapter, PeftsFolder) {
    const keepsake::testing::TemporaryFolder folder;
    const Base base;
    TensorMap tensors;
    for (const auto& [name, tensor] : read_safetensors(goldens + "diffusers.safetensors"))
        if (name.starts_with("unet.")) tensors["base_model.model." + name.substr(5)] = tensor;
    write_safetensors(folder.path / "adapter_model.safetensors", tensors, {});
    write_file_atomically(folder.path / "adapter_config.json",
                          R"({"peft_type": "LORA", "r": 3, "lora_alpha": 6})");
    const std::string layer = "down_blocks.0.attentions.0.proj_in.weight";
    const auto with = [&](const std::filesystem::path& path) {
        return changed(base.unet.at(layer).clone(), base.open({{path}}).unet.at(layer));
    };
    EXPECT_TRUE(at::equal(with(folder.path), with(goldens + "kohya.safetensors")));
}

TensorMap some_of(const std::string& name, const std::function<bool(const std::string&)>& kept) {
    TensorMap tensors;
    for (const auto& [key, tensor] : read_safetensors(goldens + name + ".safetensors"))
        if (kept(key)) tensors[key] = tensor;
    return tensors;
}

class AdapterFiles : public ::testing::Test {
  protected:
    AdapterReport report(const TensorMap& tensors) const {
        write_safetensors(path, tensors, {});
        return base.open({{path}}).reports[0];
    }
    const keepsake::testing::TemporaryFolder folder;
    const std::filesystem::path path = folder.path / "a.safetensors";
    const Base base;
};

TEST_F(AdapterFiles, WhatFitsNothingIsToldAndTheRestIsUsed) {
    TensorMap tensors = some_of("kohya", [](const std::string&) { return true; });
    const std::size_t all = tensors.size();
    tensors["lora_unet_down_blocks_7_attentions_0_proj_in.lora_up.weight"] = at::zeros({8, 3});
    tensors["something.else"] = at::zeros({1});
    // Another shape.
    tensors["lora_unet_up_blocks_0_upsamplers_0_conv.lora_up.weight"] = at::zeros({9, 3, 1, 1});
    const AdapterReport found = report(tensors);
    EXPECT_EQ(found.tensors, all + 2);
    EXPECT_EQ(found.unused, 5u);  // those two, and the three of the layer that does not fit
    EXPECT_CONTAINS(found.complaint(), "5 of " + std::to_string(all + 2) + " tensors");
    EXPECT_EQ(found.kind, "LoRA");
}

TEST_F(AdapterFiles, OfAnotherModelNothingIsUsed) {
    TensorMap tensors = some_of(
        "kohya", [](const std::string& name) { return name.find("attn2") == std::string::npos; });
    const std::string k =
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_";
    tensors[k + "down.weight"] = at::zeros({3, 2048});
    tensors[k + "up.weight"] = at::zeros({8, 3});
    const AdapterReport found = report(tensors);
    EXPECT_EQ(found.unused, tensors.size());
    EXPECT_EQ(found.made_for, "Stable Diffusion XL");
    EXPECT_CONTAINS(found.complaint(), "none of its");
    EXPECT_CONTAINS(found.complaint(), "it is for Stable Diffusion XL");
}

TEST_F(AdapterFiles, Errors) {
    write_safetensors(path, {{"model.weight", at::zeros({2, 2})}}, {});
    EXPECT_CONTAINS(error_of([&] { base.open({{path}}); }), "a.safetensors: is no LoRA");
    EXPECT_CONTAINS(error_of([&] { base.open({{folder.path}}); }), "is a folder without");
    EXPECT_CONTAINS(error_of([&] { base.open({{folder.path / "no"}}); }), "no");
    TensorMap tensors = some_of("kohya", [](const std::string&) { return true; });
    const std::string conv = "lora_unet_down_blocks_0_resnets_0_conv1";
    tensors[conv + ".alpha"] = at::scalar_tensor(INFINITY);
    write_safetensors(path, tensors, {});
    const ChangeMap changes = base.open({{path}}).unet;
    const std::string layer = "down_blocks.0.resnets.0.conv1.weight";
    EXPECT_CONTAINS(error_of([&] { changed(base.unet.at(layer).clone(), changes.at(layer)); }),
                    "not finite");
}

// Ranks, factors and cores of sizes that do not go together are no change, whatever the kind.
TEST_F(AdapterFiles, SizesThatDoNotGoTogether) {
    const std::string layer = "lora_unet_down_blocks_0_resnets_0_conv1.";
    const auto unused = [&](const TensorMap& parts) {
        TensorMap tensors;
        for (const auto& [part, tensor] : parts) tensors[layer + part] = tensor;
        return report(tensors).unused == tensors.size();
    };
    const auto zeros = [](at::IntArrayRef shape) { return at::zeros(shape); };
    EXPECT_TRUE(unused({{"lora_up.weight", zeros({8, 3, 1, 1})}}));
    EXPECT_TRUE(unused(
        {{"lora_up.weight", zeros({8, 3, 1, 1})}, {"lora_down.weight", zeros({2, 4, 3, 3})}}));
    EXPECT_TRUE(unused(
        {{"lora_up.weight", zeros({8, 0, 1, 1})}, {"lora_down.weight", zeros({0, 4, 3, 3})}}));
    EXPECT_TRUE(unused({{"lora_up.weight", zeros({})}, {"lora_down.weight", zeros({})}}));
    EXPECT_TRUE(unused({{"lora_up.weight", zeros({8, 3, 1, 1})},
                        {"lora_mid.weight", zeros({2, 3, 3, 3})},
                        {"lora_down.weight", zeros({3, 4, 1, 1})}}));
    EXPECT_TRUE(unused({{"hada_w1_a", zeros({8, 3})},
                        {"hada_w1_b", zeros({3, 36})},
                        {"hada_w2_a", zeros({8, 3})}}));
    EXPECT_TRUE(unused({{"lokr_w1", zeros({2, 2})}, {"lokr_w2", zeros({4, 5})}}));
    EXPECT_TRUE(unused({{"lora_up.weight", zeros({8, 3, 1, 1})},
                        {"lora_down.weight", zeros({3, 4, 3, 3})},
                        {"dora_scale", zeros({5})}}));
    EXPECT_TRUE(unused({{"diff", zeros({8, 4, 3})}}));
    EXPECT_FALSE(unused({{"diff", zeros({8, 4, 3, 3})}}));
}

TEST(Adapter, OptionText) {
    EXPECT_EQ(parse_adapter("a.safetensors"), (AdapterFile{"a.safetensors", 1}));
    EXPECT_EQ(parse_adapter("a.safetensors:0.8"), (AdapterFile{"a.safetensors", 0.8}));
    EXPECT_EQ(parse_adapter("a:b"), (AdapterFile{"a:b", 1}));
    EXPECT_EQ(parse_adapter("a:b:-1"), (AdapterFile{"a:b", -1}));
    EXPECT_EQ(adapter_text({"a", 0.8}), "a:0.8");
    EXPECT_THROW(parse_adapter(""), Error);
    EXPECT_THROW(parse_adapter(":1"), Error);
}

// The original names of Stable Diffusion 1.5's U-Net, there and back.
TEST(AdapterNames, OriginalNamesOfEveryLayer) {
    const auto layout = read_json(KEEPSAKE_GOLDENS "/layout_sd15.json");
    std::vector<std::string> layers;
    std::map<std::string, TensorInfo> checkpoint;
    for (const auto& [name, shape] : layout["unet"]["shapes"].items()) {
        const std::string ending = ".weight";
        if (!name.ends_with(ending)) continue;
        layers.push_back(name.substr(0, name.size() - ending.size()));
        checkpoint["model.diffusion_model." + ldm_unet_layer(layers.back(), 2) + ending].shape = {};
    }
    ASSERT_EQ(checkpoint.size(), layers.size());
    const LdmLayout read = read_ldm_layout(checkpoint);
    for (const std::string& layer : layers) {
        ASSERT_TRUE(read.unet.contains(layer + ".weight")) << layer;
        EXPECT_EQ(read.unet.at(layer + ".weight").source,
                  "model.diffusion_model." + ldm_unet_layer(layer, 2) + ".weight");
    }
    const auto modules = unet_modules(layers);
    EXPECT_EQ(modules.at("lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q"),
              "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q");
    EXPECT_EQ(modules.at("lora_unet_output_blocks_2_1_conv"), "up_blocks.0.upsamplers.0.conv");
    EXPECT_EQ(modules.at("lora_unet_output_blocks_5_2_conv"), "up_blocks.1.upsamplers.0.conv");
    EXPECT_EQ(modules.at("lora_unet_middle_block_1_proj_out"), "mid_block.attentions.0.proj_out");
}

TEST(AdapterNames, Parts) {
    const auto part = [](const char* name) {
        const auto key = read_adapter_key(name);
        return key ? key->module + " " + key->part : "none";
    };
    EXPECT_EQ(part("lora_te_a.alpha"), "lora_te_a alpha");
    EXPECT_EQ(part("unet.a.attn1.processor.to_out_lora.up.weight"),
              "unet_a_attn1_to_out_0 lora_up");
    EXPECT_EQ(part("text_encoder.x.self_attn.to_q_lora.down.weight"),
              "text_encoder_x_self_attn_q_proj lora_down");
    EXPECT_EQ(part("unet.a.to_q.lora_magnitude_vector"), "unet_a_to_q magnitude");
    EXPECT_EQ(part("unet.a.to_q.lora_magnitude_vector.weight"), "unet_a_to_q magnitude");
    EXPECT_EQ(part("diffusion_model.input_blocks.0.0.lora_A.weight"),
              "diffusion_model_input_blocks_0_0 lora_down");
    EXPECT_EQ(part("a.bias"), "none");
}

}  // namespace
}  // namespace keepsake::pipeline
