// A prompt's weights, blocks and steps, beside the rules written out.
#include "pipeline/model/prompt.h"

#include <gtest/gtest.h>

#include "tests/pipeline/model/model_on_disk.h"
#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

const Model& flowers() {
    static const Model model = load_model(keepsake::testing::bundled_model());
    return model;
}

Tensor only(const std::string& prompt, int steps = 10) {
    const std::vector<StepCondition> conditions = encode_prompt(flowers(), prompt, steps);
    EXPECT_EQ(conditions.size(), 1u);
    return conditions[0].embedding;
}

TEST(Prompt, PlainTextIsAsEver) {
    EXPECT_TRUE(
        at::equal(only("a red rose, in a vase"), encode_text(flowers(), "a red rose, in a vase")));
    EXPECT_TRUE(at::equal(only(""), encode_text(flowers(), "")));
    EXPECT_TRUE(at::equal(only("a red rose <lora:x:0.8>"), encode_text(flowers(), "a red rose")));
}

// Each token's embedding times its weight; the block's mean stays.
TEST(Prompt, WeightsKeepTheMean) {
    const Tensor plain = encode_text(flowers(), "a red rose");
    ASSERT_EQ(flowers().tokenizer.encode("a red rose").size(), 3u);
    Tensor expected = plain.clone();
    expected.select(1, 2) *= 1.5;
    expected *= plain.mean() / expected.mean();
    const Tensor found = only("a (red:1.5) rose");
    EXPECT_LT(relative_error(found, expected), 1e-5);
    EXPECT_GT(relative_error(found, plain), 0.05);
    EXPECT_NEAR(found.mean().item<double>(), plain.mean().item<double>(), 1e-5);
}

TEST(Prompt, BlocksAreEncodedOneByOne) {
    const Tensor both = only("a red rose BREAK a daisy");
    ASSERT_EQ(both.size(1), 154);
    EXPECT_TRUE(at::equal(both.slice(1, 0, 77), encode_text(flowers(), "a red rose")));
    EXPECT_TRUE(at::equal(both.slice(1, 77, 154), encode_text(flowers(), "a daisy")));
    std::string many;
    for (int i = 0; i < 100; ++i) many += "rose ";
    EXPECT_EQ(only(many).size(1), 154);
}

TEST(Prompt, StepsHaveTheirTexts) {
    const auto conditions = encode_prompt(flowers(), "a [red:white:0.4] rose", 10);
    ASSERT_EQ(conditions.size(), 2u);
    EXPECT_EQ(conditions[0].until, 4);
    EXPECT_EQ(conditions[1].until, 10);
    EXPECT_TRUE(at::equal(conditions[0].embedding, encode_text(flowers(), "a red rose")));
    EXPECT_TRUE(at::equal(conditions[1].embedding, encode_text(flowers(), "a white rose")));
}

class ScheduledDenoiser : public ::testing::Test {
  protected:
    const Tensor x = randn({1, 8, 16, 16}, make_generator(1));
    const Tensor red = encode_text(flowers(), "a red rose");
    const Tensor white = encode_text(flowers(), "a white rose");
    const Tensor none = encode_text(flowers(), "");
};

// Counted from 0: what holds up to 2 holds for three calls.
TEST_F(ScheduledDenoiser, ChangesWhereTheScheduleSays) {
    Denoiser denoise = scheduled_denoiser(flowers().unet, {{2, red}, {10, white}}, {{10, none}}, 4);
    const Denoiser first = guided_denoiser(flowers().unet, red, none, 4);
    const Denoiser second = guided_denoiser(flowers().unet, white, none, 4);
    for (int call = 0; call < 5; ++call) {
        const double t = 900 - 100 * call;
        EXPECT_TRUE(at::equal(denoise(x, t), call <= 2 ? first(x, t) : second(x, t))) << call;
    }
}

TEST_F(ScheduledDenoiser, TextsOfDifferentLengths) {
    const Tensor longer = only("a red rose BREAK a daisy");
    Denoiser denoise = scheduled_denoiser(flowers().unet, {{10, longer}}, {{10, none}}, 3);
    const Tensor with = guided_denoiser(flowers().unet, longer, {}, 1)(x, 500);
    const Tensor without = guided_denoiser(flowers().unet, none, {}, 1)(x, 500);
    EXPECT_LT(relative_error(denoise(x, 500), without + 3 * (with - without)), 1e-6);
    Denoiser unguided = scheduled_denoiser(flowers().unet, {{10, longer}}, {}, 1);
    EXPECT_TRUE(at::equal(unguided(x, 500), with));
}

TEST(Prompt, WhatWasUnderstoodIsSaid) {
    EXPECT_EQ(prompt_reading("a (red:1.2) [rose|daisy:3] <lora:x:0.5>", 2),
              "  1  \"a \"\n  1.2  \"red\"\n  1  \" \"\n  0.9091  \"rose|daisy:3\"\n  1  \" \"\n"
              "  lora x 0.5\n");
    EXPECT_EQ(prompt_reading("[a:b:1]", 2),
              "up to step 1:\n  1  \"a\"\nup to step 2:\n  1  \"b\"\n");
}

}  // namespace
}  // namespace keepsake::pipeline
