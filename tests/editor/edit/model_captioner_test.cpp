// Captions by the bundled model's own words.
#include "editor/edit/model_captioner.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "editor/photo/photo.h"
#include "pipeline/error.h"
#include "pipeline/model/generate.h"
#include "tests/editor/test_model.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using at::Tensor;
using editor::CaptionWords;
using nlohmann::json;

const fs::path flowers = fs::path(KEEPSAKE_ASSETS) / "models/flowers";

TEST(WordFeatures, AreWhatAWordGainsInTheMeanOverTheOthers) {
    // (2, levels 1, 2 words, 3 words): the second of two gains 3 in the whole, the last of three
    // 6 in the middle; 5 is in all.
    const Tensor gains =
        at::tensor({5., 5., 5., 8., 8., 8., 5., 5., 11., 5., 5., 11.}).view({2, 1, 2, 3});
    const Tensor expected =
        at::tensor({-1.5, 1.5, 0., 0., 0., 0., 0., -2., -2., 4.}).view({2, 1, 5});
    EXPECT_TRUE(at::allclose(editor::word_features(gains), expected));
    // Of one name: itself.
    const Tensor one = at::tensor({1., 3., 2., 6.}).view({2, 1, 2});
    EXPECT_TRUE(
        at::allclose(editor::word_features(one), at::tensor({-1., 1., -2., 2.}).view({2, 1, 2})));
}

class ModelCaptions : public ::testing::Test {
  protected:
    const pipeline::Model model = pipeline::load_model(flowers);
    const at::NoGradGuard no_grad;
};

TEST_F(ModelCaptions, AnAlikeTextGainsNothingAndARightOneMore) {
    const Tensor latents = pipeline::encode_image(
        model, at::full({1, 3, model.native_size(), model.native_size()}, -1.));
    const Tensor texts =
        at::cat({pipeline::encode_text(model, "a photo of a rose on a black background"),
                 pipeline::encode_text(model, "a photo of a rose on a white background"),
                 pipeline::encode_text(model, "a photo of a rose on a white background")});
    std::vector<std::int64_t> shape = latents.sizes().vec();
    shape[0] = 4;
    const Tensor noises = pipeline::randn(shape, pipeline::make_generator(1));
    const Tensor gains =
        editor::text_gains(model, latents.to(at::kFloat), texts, noises, {0.6, 0.8}, 0.5);
    ASSERT_EQ(gains.sizes(), at::IntArrayRef({2, 2, 3}));
    EXPECT_TRUE(at::allclose(gains.select(2, 1), gains.select(2, 2), 1e-3, 1e-4));
    for (int part = 0; part < 2; ++part)
        EXPECT_GT(gains[part].mean(0)[0].item<double>(), gains[part].mean(0)[1].item<double>());
    EXPECT_FALSE(at::allclose(gains[0], gains[1]));
    EXPECT_LE(gains.abs().max().item<double>(), 1);
}

TEST_F(ModelCaptions, NameFlowerAndColourOfTheSamples) {
    const editor::ModelCaptioner captioner(model, editor::read_caption_words(flowers));
    const auto said = [&](const char* name) {
        return captioner(editor::load_photo(fs::path(KEEPSAKE_ASSETS) / "photos" / name).pixels);
    };
    const std::string sunflower = said("sunflower-14925397651.jpg");
    EXPECT_NE(sunflower.find("yellow sunflower"), std::string::npos) << sunflower;
    EXPECT_EQ(said("sunflower-14925397651.jpg"), sunflower);  // the same noises each time
    const std::string daisy = said("daisy-19813618946.jpg");
    EXPECT_NE(daisy.find("white daisy"), std::string::npos) << daisy;
}

TEST_F(ModelCaptions, TheClipHasItsSay) {
    CaptionWords words = editor::read_caption_words(flowers);
    words.again.reset();
    words.noted.clear();
    words.caption = "{colour} {flower}";
    for (CaptionWords::Named& named : words.named) {
        std::ranges::fill(named.gains.bias, 0);
        for (auto& row : named.gains.weights) std::ranges::fill(row, 0);
    }
    const editor::Pixels photo =
        editor::load_photo(fs::path(KEEPSAKE_ASSETS) / "photos/sunflower-14925397651.jpg").pixels;
    EXPECT_EQ(editor::ModelCaptioner(model, words)(photo), "yellow sunflower");
    words.named[0].clip->bias[2] += 1000;
    words.named[1].clip.reset();
    words.named[1].gains.bias[5] = 1;
    EXPECT_EQ(editor::ModelCaptioner(model, words)(photo), "blue rose");
}

TEST_F(ModelCaptions, WordsOfAnotherClipAreRefused) {
    CaptionWords words = editor::read_caption_words(flowers);
    for (auto& row : words.named[1].clip.value().weights) row.pop_back();
    EXPECT_THROW(editor::ModelCaptioner(model, words), Error);
}

class CaptionWordsFile : public ::testing::Test {
  protected:
    CaptionWordsFile() {
        content = json::parse(R"({"kind": "keepsake caption words", "version": 1,
            "text": "a {a}", "levels": [0.5], "seed": 0, "noises": 1, "centre": 0.5, "noted": [],
            "caption": "a {a}", "named": [{"name": "a", "words": ["x", "y"], "bias": [0, 1],
            "weights": [[1, 2, 3, 4], [5, 6, 7, 8]]}]})");
    }
    std::string why_not() const {
        write_bytes(folder.path / "captions.json", content.dump());
        try {
            editor::read_caption_words(folder.path);
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    }
    const TemporaryFolder folder;
    json content;
};

TEST_F(CaptionWordsFile, SaysWhatIsTheMatterWithIt) {
    EXPECT_EQ(why_not(), "");
    const json right = content;
    const auto wrong = [&](const char* place, const json& value, const std::string& part) {
        content = right;
        content[json::json_pointer(place)] = value;
        const std::string why = why_not();
        EXPECT_NE(why.find("captions.json: "), std::string::npos) << why;
        EXPECT_NE(why.find(part), std::string::npos) << why;
    };
    wrong("/kind", "keepsake recipe", "keepsake recipe");
    wrong("/levels", json::array(), "'levels'");
    wrong("/levels", {0}, "'levels'");
    wrong("/centre", 0, "'centre'");
    wrong("/noises", 0, "'noises' is out of range");
    wrong("/noises", 1.5, "'noises' is out of range");
    wrong("/named", json::array(), "'named' is empty");
    wrong("/named/0/words", {"x"}, "'words' has too few");
    wrong("/named/0/bias", {0}, "'bias' is no list of 2");
    wrong("/named/0/weights", {{1, 2, 3, 4}}, "'weights' has not a row a word");
    wrong("/named/0/weights/0", {1, 2, 3}, "'weights' is no list of 4");
    wrong("/named/0/weights/0/0", "a", "'weights' is no number");
    wrong("/noted", json::array({{{"name", "c"}, {"words", {"", "z"}}}}), "lacks 'bar'");
    wrong("/again", {{"name", "b"}}, "'again' is of nothing that is named");
    wrong("/again", {{"name", "a"}, {"levels", {0.5}}, {"noises", 0}}, "'noises' is out of range");
    wrong("/named/0/clip", {{"bias", {0, 0}}}, "lacks 'weights'");
    wrong("/named/0/clip", {{"bias", {0, 0}}, {"weights", {{1, 2}, {3}}}}, "is no list of 2");
    wrong("/named/0/clip", {{"bias", {0}}, {"weights", {{1, 2}, {3, 4}}}}, "'bias'");
    wrong("/caption", 3, "'caption' is no text");
    content = right;
    EXPECT_EQ(why_not(), "");
    EXPECT_FALSE(editor::read_caption_words(folder.path).asks_clip());
    content["named"][0]["clip"] = {{"bias", {0, 0}}, {"weights", {{1, 2}, {3, 4}}}};
    EXPECT_EQ(why_not(), "");
    EXPECT_TRUE(editor::read_caption_words(folder.path).asks_clip());
    fs::remove(folder.path / "captions.json");
    EXPECT_THROW(editor::read_caption_words(folder.path / "gone"), Error);
}

TEST(FilledPattern, PutsWordsInTheirPlaces) {
    EXPECT_EQ(editor::filled_pattern("{a} {b} {a}", {{"a", "{b}"}, {"b", "x"}}), "x x x");
    EXPECT_EQ(editor::filled_pattern("{c}", {{"a", "x"}}), "{c}");
}

}  // namespace
}  // namespace keepsake::testing
