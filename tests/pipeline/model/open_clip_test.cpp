// open_clip's layout of a CLIP beside its own code (tests/goldens/make_open_clip_goldens.py).
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/open_clip_layout.h"
#include "pipeline/model/clip.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using at::Tensor;
using nlohmann::json;
using pipeline::TensorMap;

class OpenClip : public ::testing::Test {
  protected:
    // A folder as LAION's, without the tokenizer.
    fs::path written(const std::string& kind, const json& config) const {
        const fs::path clip = folder.path / kind;
        fs::create_directories(clip);
        write_file_atomically(clip / "open_clip_config.json", config.dump());
        TensorMap weights;
        for (const auto& [name, tensor] : goldens)
            if (name.starts_with(kind + ":weights."))
                weights[name.substr(kind.size() + 9)] = tensor;
        pipeline::write_safetensors(clip / "open_clip_model.safetensors", weights);
        return clip;
    }
    fs::path written(const std::string& kind) const { return written(kind, configs.at(kind)); }
    const Tensor& golden(const std::string& name) const { return goldens.at(name); }
    void expect_near(const Tensor& found, const std::string& name) const {
        const Tensor& expected = golden(name);
        ASSERT_EQ(found.sizes(), expected.sizes()) << name;
        EXPECT_LE((found - expected).abs().max().item<double>(),
                  1e-5 * expected.abs().max().item<double>())
            << name;
    }
    void expect_refused(const json& config, const std::string& part) const {
        try {
            pipeline::read_clip(written("gelu", config));
            ADD_FAILURE() << "nothing was thrown, and not " << part;
        } catch (const Error& error) {
            EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
        }
    }

    const TemporaryFolder folder;
    const TensorMap goldens = pipeline::read_safetensors(KEEPSAKE_GOLDENS "/open_clip.safetensors");
    const json configs = read_json_file(KEEPSAKE_GOLDENS "/open_clip.json");
};

TEST_F(OpenClip, FeaturesAndLogitsAreItsOwnWithBothActivations) {
    const at::NoGradGuard no_grad;
    for (const std::string kind : {"quick_gelu", "gelu"}) {
        SCOPED_TRACE(kind);
        const pipeline::ClipFiles clip = pipeline::read_clip(written(kind));
        EXPECT_EQ(clip.config.at("text_config").at("hidden_act"), kind);
        const Tensor image = clip.network.image_features(golden(kind + ":pictures"));
        const Tensor text = clip.network.text_features(golden("ids"));
        expect_near(image, kind + ":image_features");
        expect_near(text, kind + ":text_features");
        expect_near(clip.network.logit_scale().exp() *
                        at::matmul(pipeline::normalised(image), pipeline::normalised(text).t()),
                    kind + ":logits");
    }
}

TEST_F(OpenClip, TheActivationCounts) {
    const at::NoGradGuard no_grad;
    json other = configs.at("gelu");
    other["model_cfg"]["quick_gelu"] = true;
    const pipeline::ClipFiles clip = pipeline::read_clip(written("gelu", other));
    const Tensor image = clip.network.image_features(golden("gelu:pictures"));
    EXPECT_GT((image - golden("gelu:image_features")).abs().max().item<double>(), 1e-3);
}

TEST_F(OpenClip, ItsPreprocessingAndConfigAreRead) {
    const pipeline::ClipFiles clip = pipeline::read_clip(written("gelu"));
    EXPECT_TRUE(clip.preprocessing.middle_to_even);
    EXPECT_EQ(clip.preprocessing.crop, 24);
    EXPECT_EQ(clip.preprocessing.shortest_side, 24);
    EXPECT_EQ(clip.preprocessing.mean, (std::array<double, 3>{0.5, 0.4, 0.3}));
    EXPECT_EQ(clip.preprocessing.deviation, (std::array<double, 3>{0.2, 0.25, 0.3}));
    // int(16 * 2.2), as Python cuts it; heads of 8 channels.
    EXPECT_EQ(clip.network.config().image.intermediate_size, 35);
    EXPECT_EQ(clip.network.config().image.num_attention_heads, 2);
    // Defaults of open_clip's own classes: a config without any of it is ViT-B/16.
    const json plain = pipeline::config_of_open_clip({{"embed_dim", 512}});
    EXPECT_EQ(plain.at("vision_config").at("patch_size"), 16);
    EXPECT_EQ(plain.at("text_config").at("num_attention_heads"), 8);
    EXPECT_EQ(plain.at("vision_config").at("hidden_act"), "gelu");
}

TEST_F(OpenClip, OfAFolderWithBothLayoutsTransformersIsTaken) {
    const fs::path clip = written("gelu");
    const pipeline::ClipFiles from = pipeline::read_clip(clip);
    write_file_atomically(clip / "config.json", from.config.dump());
    EXPECT_TRUE(pipeline::read_clip(clip).preprocessing.middle_to_even) << "no weights yet";
    pipeline::write_safetensors(clip / "model.safetensors", from.network.parameters());
    const pipeline::ClipFiles both = pipeline::read_clip(clip);
    EXPECT_FALSE(both.preprocessing.middle_to_even);
    const at::NoGradGuard no_grad;
    expect_near(both.network.image_features(golden("gelu:pictures")), "gelu:image_features");
}

TEST_F(OpenClip, WhatIsNotClipIsRefusedByName) {
    const auto changed = [&](const char* part, const char* key, const json& value) {
        json config = configs.at("gelu");
        config["model_cfg"][part][key] = value;
        return config;
    };
    expect_refused(changed("vision_cfg", "timm_model_name", "vit_tiny"), "timm_model_name");
    expect_refused(changed("vision_cfg", "layers", {3, 4, 6, 3}), "layers");
    expect_refused(changed("vision_cfg", "pool_type", "avg"), "pool_type");
    expect_refused(changed("vision_cfg", "head_width", 7), "head_width");
    expect_refused(changed("vision_cfg", "ls_init_value", 0.1), "ls_init_value");
    expect_refused(changed("text_cfg", "hf_model_name", "xlm"), "hf_model_name");
    expect_refused(changed("text_cfg", "pool_type", "last"), "pool_type");
    expect_refused(changed("text_cfg", "width", 24), "should be");
    json config = configs.at("gelu");
    config["model_cfg"]["custom_text"] = true;
    expect_refused(config, "open_clip_config.json: open_clip config: not supported: custom_text");
    config = configs.at("gelu");
    config["preprocess_cfg"]["resize_mode"] = "squash";
    expect_refused(config, "resize_mode");
    expect_refused({{"model_cfg", 3}}, "is not a JSON object");
}

TEST_F(OpenClip, WithoutATokenizerItHasClipsOwnWhereTheVocabularyIsThat) {
    const fs::path own = fs::path(KEEPSAKE_ASSETS) / "models/flowers/tokenizer";
    EXPECT_THROW(pipeline::load_clip(written("gelu"), own), Error);
    pipeline::ClipConfig config;
    EXPECT_EQ(pipeline::clip_tokenizer_of(folder.path, own, config), own);
    config.text.vocab_size = 49409;
    EXPECT_THROW(pipeline::clip_tokenizer_of(folder.path, own, config), Error);
    EXPECT_EQ(pipeline::clip_tokenizer_of(own, folder.path, config), own) << "a folder's own";
}

}  // namespace
}  // namespace keepsake::testing
