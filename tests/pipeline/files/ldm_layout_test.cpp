#include "pipeline/files/ldm_layout.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"

namespace keepsake::pipeline {
namespace {

const std::string goldens = KEEPSAKE_GOLDENS;

// Every tensor that diffusers' converters make must come out of the layout: the same names, shapes
// and bytes, and none besides.
void compare_component(const SafetensorsFile& file, const std::map<std::string, LdmTensor>& tensors,
                       const nlohmann::json& expected, const std::string& component) {
    EXPECT_GT(expected.size(), 30u);
    for (const auto& [name, golden] : expected.items()) {
        const auto found = tensors.find(name);
        if (found == tensors.end()) {
            ADD_FAILURE() << component << " lacks " << name;
            continue;
        }
        const Tensor tensor = read_ldm_tensor(file, found->second, at::kHalf);
        const auto shape = golden["shape"].get<std::vector<std::int64_t>>();
        EXPECT_EQ(tensor.sizes().vec(), shape) << name;
        EXPECT_EQ(ldm_shape(found->second, file.tensors().at(found->second.source).shape), shape)
            << name;
        EXPECT_TRUE(tensor.is_contiguous()) << name;
        const auto* bytes = static_cast<const char*>(tensor.const_data_ptr());
        EXPECT_EQ(fingerprint_of({bytes, tensor.nbytes()}), golden["fnv1a"].get<std::string>())
            << name;
    }
    for (const auto& [name, tensor] : tensors)
        EXPECT_TRUE(expected.contains(name))
            << component << " has " << name << " from " << tensor.source;
}

class LdmLayoutGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(LdmLayoutGolden, EqualsTheReferencesConversion) {
    const SafetensorsFile file(goldens + "/" + GetParam() + ".safetensors");
    const auto expected = nlohmann::json::parse(read_file(goldens + "/" + GetParam() + ".json"));
    const auto layout = read_ldm_layout(file.tensors());
    EXPECT_EQ(layout.open_clip, GetParam() == "ldm_sd2");
    EXPECT_EQ(layout.left_alone, std::vector<std::string>{});
    compare_component(file, layout.unet, expected["unet"], "U-Net");
    compare_component(file, layout.vae, expected["vae"], "VAE");
    compare_component(file, layout.text_encoder, expected["text_encoder"], "text encoder");
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, LdmLayoutGolden, ::testing::Values("ldm_sd1", "ldm_sd2"),
                         [](const auto& info) { return info.param; });

// The header of a golden checkpoint, to be changed by a test.
std::map<std::string, TensorInfo> header(const std::string& name) {
    return SafetensorsFile(goldens + "/" + name + ".safetensors").tensors();
}

TEST(LdmLayout, NamesThatItDoesNotKnowStayVisible) {
    auto tensors = header("ldm_sd1");
    for (const char* name :
         {"model.diffusion_model.label_emb.weight", "model.diffusion_model.input_blocks.1.2.weight",
          "model.diffusion_model.input_blocks.x.0.weight",
          "model.diffusion_model.output_blocks.0.2.weight",
          "model.diffusion_model.middle_block.3.weight", "first_stage_model.encoder.extra.weight",
          "first_stage_model.encoder.down.0.attn.0.q.weight", "first_stage_model.other",
          "control_model.time_embed.0.weight", "embedding"})
        tensors[name] = {};
    const auto layout = read_ldm_layout(tensors);
    for (const char* name :
         {"model.diffusion_model.label_emb.weight", "model.diffusion_model.input_blocks.1.2.weight",
          "model.diffusion_model.input_blocks.x.0.weight",
          "model.diffusion_model.output_blocks.0.2.weight",
          "model.diffusion_model.middle_block.3.weight"})
        EXPECT_TRUE(layout.unet.contains(name)) << name;
    for (const char* name :
         {"first_stage_model.encoder.extra.weight",
          "first_stage_model.encoder.down.0.attn.0.q.weight", "first_stage_model.other"})
        EXPECT_TRUE(layout.vae.contains(name)) << name;
    EXPECT_EQ(layout.left_alone,
              (std::vector<std::string>{"control_model.time_embed.0.weight", "embedding"}));
}

TEST(LdmLayout, WhatIsOfNoComponentIsLeftAlone) {
    const std::vector<std::string> names = {
        "cond_stage_model.logit_scale",
        "cond_stage_model.model.visual.conv1.weight",
        "cond_stage_model.transformer.logit_scale",
        "cond_stage_model.transformer.text_projection.weight",
        "cond_stage_model.transformer.vision_model.embeddings.class_embedding",
        "cond_stage_model.transformer.visual_projection.weight",
        "control_model.input_blocks.0.0.weight",
        "denoiser.sigmas",
        "embedding_manager.string_to_param_dict.a",
        "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight",
        "lora_unet_mid_block_attentions_0_proj_in.alpha",
        "model.diffusion_model.middle_block.1.proj_in.lora_up.weight",
    };
    auto tensors = header("ldm_sd1");
    const auto plain = read_ldm_layout(tensors);
    for (const auto& name : names) tensors[name] = {};
    for (const char* silent :
         {"v_pred", "ztsnr", "model_ema.decay", "first_stage_model.model_ema.num_updates",
          "cond_stage_model.model_ema.decay"})
        tensors[silent] = {};
    const auto layout = read_ldm_layout(tensors);
    EXPECT_EQ(layout.left_alone, names);
    EXPECT_FALSE(layout.open_clip);
    EXPECT_EQ(layout.unet.size(), plain.unet.size());
    EXPECT_EQ(layout.vae.size(), plain.vae.size());
    EXPECT_EQ(layout.text_encoder.size(), plain.text_encoder.size());
}

TEST(LdmLayout, TheTwentyFourthOpenClipLayerIsLeftOut) {
    const auto layout = read_ldm_layout(header("ldm_sd2"));
    EXPECT_TRUE(layout.text_encoder.contains("text_model.encoder.layers.22.layer_norm1.weight"));
    for (const auto& [name, tensor] : layout.text_encoder)
        EXPECT_EQ(tensor.source.find("resblocks.23."), std::string::npos) << name;
}

// Fine-tunes saved before transformers wrapped the encoder lack "text_model.".
TEST(LdmLayout, ClipWithoutItsOuterName) {
    const auto layout =
        read_ldm_layout({{"cond_stage_model.transformer.final_layer_norm.weight", {}},
                         {"cond_stage_model.transformer.embeddings.position_ids", {}}});
    ASSERT_EQ(layout.text_encoder.size(), 1u);
    EXPECT_EQ(layout.text_encoder.begin()->first, "text_model.final_layer_norm.weight");
}

TEST(LdmLayout, RowsThatDoNotDivideAreNotCutShort) {
    const LdmTensor third{"in_proj", 1, 3};
    EXPECT_EQ(ldm_shape(third, {12, 4}), (std::vector<std::int64_t>{4, 4}));
    EXPECT_EQ(ldm_shape(third, {13, 4}), (std::vector<std::int64_t>{13, 4}));
}

}  // namespace
}  // namespace keepsake::pipeline
