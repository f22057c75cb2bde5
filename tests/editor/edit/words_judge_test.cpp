// Which strength is chosen.
#include "editor/edit/words_judge.h"

#include <gtest/gtest.h>

#include "pipeline/model/generate.h"
#include "tests/editor/test_model.h"

namespace keepsake::editor {
namespace {

// At the strengths 0.2, 0.4, 0.6, 0.8 and 1.
std::optional<Judgement> judged(double photo, std::vector<double> odds) {
    JudgeOptions options;
    options.strengths = {0.2, 0.4, 0.6, 0.8, 1.0};
    options.odds = 2;
    options.way = 0.85;
    options.least_way = 0.5;
    return judge_odds(photo, odds, options);
}

TEST(JudgeOdds, TheFirstStrengthWhoseColoursAreTheWords) {
    // 2 lies in the middle between those at 0.4 and 0.6.
    const auto found = judged(-3, {-2, 1, 3, 5, 6});
    ASSERT_TRUE(found);
    EXPECT_DOUBLE_EQ(found->strength, 0.5);
    EXPECT_TRUE(found->taken);
    // In steps of 0.05, never weaker than the words need.
    EXPECT_DOUBLE_EQ(judged(-3, {-2, 1.1, 3, 5, 6})->strength, 0.5);
    EXPECT_DOUBLE_EQ(judged(-3, {-2, 0.9, 3, 5, 6})->strength, 0.55);
    EXPECT_DOUBLE_EQ(judged(-2, {6, 6, 6, 6, 6})->strength, 0.1);
}

TEST(JudgeOdds, NoStrongerThanWhatTheWordsCanDoHere) {
    // At the best there are odds of 1: 0.85 of the way there from -3 is 0.4.
    const auto found = judged(-3, {-2, 0.4, 1, 0.5, -1});
    ASSERT_TRUE(found);
    EXPECT_DOUBLE_EQ(found->strength, 0.4);
    EXPECT_TRUE(found->taken);
    // The best has more of the photo's colours than of the words' still.
    const auto weak = judged(-3, {-2.5, -2, -1, -0.5, -0.4});
    ASSERT_TRUE(weak);
    EXPECT_FALSE(weak->taken);
}

TEST(JudgeOdds, WordsThatAreNoColoursAreNotJudgedByThem) {
    EXPECT_FALSE(judged(-1, {-1, -0.9, -0.8, -0.9, -1.2}));
    EXPECT_FALSE(judged(-1, {-2, -2, -2, -2, -2}));
}

TEST(JudgeLikeness, TheFirstStrengthThatIsNearlyAsLikeTheWordsAsAnyOther) {
    JudgeOptions options;
    options.strengths = {0.2, 0.4, 0.6, 0.8};
    options.likeness = 0.9;
    // 0.9 of the best, 0.45, lies in the middle between those at 0.4 and 0.6.
    EXPECT_DOUBLE_EQ(judge_likeness({0.1, 0.4, 0.5, 0.45}, options).value(), 0.5);
    EXPECT_DOUBLE_EQ(judge_likeness({0.1, 0.39, 0.5, 0.45}, options).value(), 0.55);
    // The photo itself has none.
    EXPECT_DOUBLE_EQ(judge_likeness({0.5, 0.5, 0.5, 0.5}, options).value(), 0.2);
    // Nothing that was drawn looks like the words.
    EXPECT_FALSE(judge_likeness({-0.1, 0.1, 0.15, 0.1}, options));
}

// Two noises: a red rose's latents are predicted better with its words than with none, and worse
// with those of another.
TEST(WordsAdvantage, IsLargestForWhatThePictureShows) {
    const pipeline::Model model = pipeline::load_model(testing::flowers);
    pipeline::SampleOptions sample;
    sample.sampler = pipeline::Sampler::dpmpp_2m;
    sample.steps = 6;
    sample.guidance_scale = 3;
    const at::Tensor none = pipeline::encode_text(model, "");
    const at::Tensor red = pipeline::encode_text(model, "a photo of a red rose");
    const at::Tensor yellow = pipeline::encode_text(model, "a photo of a yellow sunflower");
    pipeline::GenerateInput input;
    input.noise = pipeline::initial_noise(model, model.native_size(), model.native_size(),
                                          pipeline::make_generator(1));
    input.cond = red;
    input.uncond = none;
    Monitor monitor;
    const at::Tensor latents =
        pipeline::generate_latents(model, input, sample, monitor).to(at::kFloat);
    JudgeOptions options;
    options.samples = 2;
    const auto of = [&](const at::Tensor& text) {
        return words_advantage(model, latents, text, none, {}, options, monitor)[0];
    };
    EXPECT_GT(of(red), 0);
    EXPECT_GT(of(red), of(yellow) + 0.05);
}

}  // namespace
}  // namespace keepsake::editor
