// BLIP beside transformers on two tiny random models (goldens/make_blip_goldens.py).
#include "pipeline/model/captioner.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using keepsake::testing::thrown_message;
using keepsake::testing::write_bytes;
using Ids = std::vector<std::int64_t>;

const fs::path golden_folder = fs::path(KEEPSAKE_GOLDENS) / "blip";
constexpr std::int64_t pictures = 5;

std::string why_not(const fs::path& folder) {
    return thrown_message<Error>([&] { load_captioner(folder); });
}

void expect_contains(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

class BlipGolden : public ::testing::TestWithParam<std::string> {
  protected:
    const Tensor& golden(const std::string& name) const { return goldens.at(name); }
    Tensor values() const {
        std::vector<Tensor> all;
        for (std::int64_t i = 0; i < pictures; ++i)
            all.push_back(golden("values." + std::to_string(i)));
        return at::cat(all);
    }
    // Of a picture by itself, as captions are made.
    Ids found(std::int64_t picture, const Ids& start, const CaptionSearch& search) const {
        const Tensor image = captioner.vision(golden("values." + std::to_string(picture)));
        return search_caption(captioner.decoder, image, start, search);
    }
    void expect_ids(const std::string& how, const CaptionSearch& search,
                    const std::string& prompt = {}) const {
        Ids start = captioner.tokenizer.encode(prompt);
        start.insert(start.begin(), captioner.decoder.config().start_id);
        const json& rows = facts.at(how).at("ids");
        for (std::int64_t i = 0; i < pictures; ++i)
            EXPECT_EQ(found(i, start, search), rows[static_cast<std::size_t>(i)].get<Ids>())
                << how << " of picture " << i;
    }

    const TensorMap goldens = read_safetensors(golden_folder / "outputs.safetensors");
    const json facts = json::parse(std::ifstream(golden_folder / "outputs.json"))[GetParam()];
    const Captioner captioner = load_captioner(golden_folder / GetParam());
    const at::NoGradGuard no_grad;
};

void expect_near(const Tensor& found, const Tensor& expected) {
    ASSERT_EQ(found.sizes(), expected.sizes());
    EXPECT_LE((found - expected).abs().max().item<double>(),
              2e-5 * expected.abs().max().item<double>());
}

TEST_P(BlipGolden, SeesPicturesAsTransformers) {
    expect_near(captioner.vision(values()), golden(GetParam() + ".embeddings"));
}

TEST_P(BlipGolden, ReadsASequenceAsTransformers) {
    const Tensor& image = golden(GetParam() + ".embeddings");
    const Tensor& ids = golden(GetParam() + ".sequence");
    for (std::int64_t i = 0; i < pictures; ++i) {
        BlipMemory memory = captioner.decoder.look(image.narrow(0, i, 1));
        const Tensor hidden = captioner.decoder.read(ids.narrow(0, i, 1), memory);
        expect_near(captioner.decoder.logits(hidden),
                    golden(GetParam() + ".logits").narrow(0, i, 1));
    }
}

TEST_P(BlipGolden, ReadsTokenByTokenWhatItReadsAtOnce) {
    const Tensor ids = golden(GetParam() + ".sequence").narrow(0, 0, 1);
    BlipMemory memory = captioner.decoder.look(golden(GetParam() + ".embeddings").narrow(0, 0, 1));
    std::vector<Tensor> logits;
    for (const Tensor& one : ids.split(1, 1))
        logits.push_back(captioner.decoder.logits(captioner.decoder.read(one, memory)));
    expect_near(at::cat(logits, 1), golden(GetParam() + ".logits").narrow(0, 0, 1));
}

TEST_P(BlipGolden, WritesTheIdsOfTransformers) {
    expect_ids("greedy", {.most = 20});
    expect_ids("greedy_long", {.least = 12, .most = 12});
    expect_ids("beam3", {.beams = 3, .most = 20});
    expect_ids("beam3_short", {.beams = 3, .most = 6});
    expect_ids("beam3_long", {.beams = 3, .least = 8, .most = 20});
    expect_ids("beam5", {.beams = 5, .most = 15});
    expect_ids("prompted", {.most = 20}, "a photo of");
    expect_ids("prompted_beam3", {.beams = 3, .least = 3, .most = 10}, "A  photo of");
}

TEST_P(BlipGolden, SaysTheTextsOfTransformers) {
    const json& texts = facts.at("prompted").at("texts");
    for (std::int64_t i = 0; i < pictures; ++i)
        EXPECT_EQ(caption(captioner, golden("values." + std::to_string(i)), "a photo of"),
                  texts[static_cast<std::size_t>(i)].get<std::string>());
}

// What files of 2022 and 2023 hold: tied tensors twice, and the numbers of the places.
TEST_P(BlipGolden, OldFilesGiveTheSame) {
    const keepsake::testing::TemporaryFolder folder;
    const std::string words = "text_decoder.bert.embeddings.word_embeddings.weight",
                      bias = "text_decoder.cls.predictions.bias",
                      head = "text_decoder.cls.predictions.decoder.";
    for (const char* name : {"config.json", "vocab.txt"})
        fs::copy_file(golden_folder / GetParam() / name, folder.path / name);
    TensorMap tensors = read_safetensors(golden_folder / GetParam() / "model.safetensors");
    tensors[head + "weight"] = tensors.at(words).clone();
    tensors[head + "bias"] = tensors.at(bias).clone();
    tensors["text_decoder.bert.embeddings.position_ids"] = at::arange(40).unsqueeze(0);
    const auto expect_same = [&] {
        write_safetensors(folder.path / "model.safetensors", tensors);
        const Captioner old = load_captioner(folder.path);
        EXPECT_EQ(caption(old, golden("values.0")), caption(captioner, golden("values.0")));
    };
    expect_same();
    tensors.erase(words);  // under the other name alone
    tensors.erase(bias);
    expect_same();
}

TEST_P(BlipGolden, NumbersThatDoNotFitAreRefused) {
    const Ids start = {captioner.decoder.config().start_id};
    EXPECT_THROW(found(0, start, {.beams = 0}), Error);
    EXPECT_THROW(found(0, start, {.least = 5, .most = 4}), Error);
    EXPECT_THROW(found(0, start, {.most = 40}), Error);  // of 40 places one is the start's
    EXPECT_NO_THROW(found(0, start, {.most = 39}));
    EXPECT_THROW(found(0, {captioner.decoder.config().vocab_size}, {}), Error);
    EXPECT_THROW(captioner.vision(at::zeros({1, 3, 16, 16})), Error);
}

INSTANTIATE_TEST_SUITE_P(Sizes, BlipGolden, ::testing::Values("base", "large"),
                         [](const auto& name) { return name.param; });

TEST(BlipConfig, LacksWhatIsAsInTheLibrary) {
    const auto vision = BlipVisionConfig::from_json(json::object());
    EXPECT_EQ(vision.patches(), 576);
    EXPECT_EQ(vision.hidden_size, 768);
    const auto decoder =
        BlipDecoderConfig::from_json({{"num_attention_heads", 12}}, vision.hidden_size);
    EXPECT_EQ(decoder.num_attention_heads, 12);
    EXPECT_EQ(decoder.vocab_size, 30524);
    EXPECT_EQ(decoder.start_id, 30522);
    EXPECT_EQ(decoder.end_id, 102);
    EXPECT_EQ(BlipDecoderConfig::from_json(json::object(), 768).num_attention_heads, 8);
}

TEST(BlipConfig, WhatIsNotSupportedIsNamed) {
    EXPECT_THROW(BlipVisionConfig::from_json({{"hidden_act", "relu"}}), Error);
    EXPECT_THROW(BlipVisionConfig::from_json({{"patch_size", 500}}), Error);
    EXPECT_THROW(BlipDecoderConfig::from_json({{"sep_token_id", 40000}}, 768), Error);
    EXPECT_THROW(BlipDecoderConfig::from_json({{"num_attention_heads", 7}}, 768), Error);
}

TEST(CaptionerFolder, WhatIsNoCaptionerIsRefusedByName) {
    const keepsake::testing::TemporaryFolder folder;
    const auto own = [&](const char* name) { return folder.path / name; };
    expect_contains(why_not(own("none")), "none: is not there");
    expect_contains(why_not(folder.path), "config.json");
    write_bytes(own("config.json"), R"({"model_type": "clip"})");
    expect_contains(why_not(folder.path), "model_type");
    fs::copy_file(golden_folder / "base/config.json", own("config.json"),
                  fs::copy_options::overwrite_existing);
    expect_contains(why_not(folder.path), "model.safetensors: is missing");
    write_bytes(own("pytorch_model.bin"), "PK\x03\x04 and so on");
    expect_contains(why_not(folder.path), "pytorch_model.bin: is a pickle");
    expect_contains(why_not(own("pytorch_model.bin")), "is a pickle");
    fs::copy_file(golden_folder / "base/model.safetensors", own("model.safetensors"));
    expect_contains(why_not(own("model.safetensors")), "is a file; name its folder");
    expect_contains(why_not(folder.path), "vocab.txt: is missing");
    write_bytes(own("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
    expect_contains(why_not(folder.path), "of two models");
}

TEST(CaptionerFolder, WeightsThatDoNotFitAreRefusedByName) {
    const keepsake::testing::TemporaryFolder folder;
    for (const char* name : {"config.json", "vocab.txt"})
        fs::copy_file(golden_folder / "base" / name, folder.path / name);
    TensorMap tensors = read_safetensors(golden_folder / "base/model.safetensors");
    const std::string name = "vision_model.post_layernorm.bias";
    tensors.erase(name);
    write_safetensors(folder.path / "model.safetensors", tensors);
    expect_contains(why_not(folder.path), "post_layernorm.bias");
    for (auto at = tensors.begin(); at != tensors.end();)
        at = at->first.starts_with("text_decoder.") ? tensors.erase(at) : std::next(at);
    tensors[name] = at::zeros({32});
    write_safetensors(folder.path / "model.safetensors", tensors);
    expect_contains(why_not(folder.path), "has no text_decoder");
}

}  // namespace
}  // namespace keepsake::pipeline
