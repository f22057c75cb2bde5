// Whole pictures against diffusers: tests/goldens/make_image_goldens.py.
#include "pipeline/model/generate.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

namespace keepsake::pipeline {
namespace {

const Model& flowers() {
    static const Model model = load_model(KEEPSAKE_ASSETS "/models/flowers");
    return model;
}

const TensorMap& goldens() {
    static const TensorMap tensors = read_safetensors(KEEPSAKE_GOLDENS "/images.safetensors");
    return tensors;
}

SampleOptions options(std::string_view sampler) {
    SampleOptions options;
    options.sampler = parse_sampler(sampler);
    options.steps = 20;
    options.guidance_scale = 4.0;
    return options;
}

struct Case {
    std::string golden;
    std::string prompt;
    std::uint64_t seed;
    SampleOptions options;
    std::int64_t width = 128, height = 128;
    std::optional<double> strength = {};  // image to image from test_picture()
};

// The golden script's test_picture().
Tensor test_picture() {
    const Tensor axis = at::arange(128, at::TensorOptions().dtype(at::kFloat));
    std::vector<Tensor> channels;
    for (int c = 0; c < 3; ++c) {
        const Tensor x = at::sin(axis / (9.0 + 4 * c) + c).unsqueeze(0);
        const Tensor y = at::cos(axis / (11.0 + 3 * c)).unsqueeze(1);
        channels.push_back(x * y);
    }
    return at::stack(channels).unsqueeze(0);
}

void expect_same_picture(const Case& c) {
    SCOPED_TRACE(c.golden);
    const Model& model = flowers();
    GenerateInput input;
    input.generators = {make_generator(c.seed)};
    input.cond = encode_text(model, c.prompt);
    input.uncond = encode_text(model, c.options.negative_prompt);
    if (c.strength) {
        input.init_latents = encode_image(model, test_picture(), input.generators);
        input.strength = *c.strength;
    }
    input.noise = initial_noise(model, c.width, c.height, input.generators[0]);
    Monitor monitor;
    const Tensor latents = generate_latents(model, input, c.options, monitor);
    const Tensor wanted = goldens().at(c.golden + ".latents");
    ASSERT_EQ(latents.sizes(), wanted.sizes());
    EXPECT_LT((latents - wanted).abs().max().item<double>() / wanted.abs().max().item<double>(),
              2e-3);

    const Tensor image =
        (decode_latents(model, latents)[0].permute({1, 2, 0}) * 255).round().to(at::kInt);
    const Tensor difference = (image - goldens().at(c.golden + ".image").to(at::kInt)).abs();
    EXPECT_LE(difference.max().item<int>(), 2);
}

class SamePicture : public testing::TestWithParam<std::string> {};

TEST_P(SamePicture, TextToImage) {
    expect_same_picture({GetParam(), "a photo of a red tulip", 7, options(GetParam())});
}

TEST_P(SamePicture, ImageToImage) {
    expect_same_picture(
        {"image_to_image_" + GetParam(), "a pink rose", 9, options(GetParam()), 128, 128, 0.6});
}

INSTANTIATE_TEST_SUITE_P(Samplers, SamePicture,
                         testing::Values("ddim", "pndm", "lms", "euler", "dpmpp_2m"));

TEST(Generate, DdimWithItsOwnEta) {
    SampleOptions o = options("ddim");
    o.ddim_eta = 0.7;
    expect_same_picture({"ddim_eta", "a yellow rose", 3, o});
}

TEST(Generate, NegativePrompt) {
    SampleOptions o = options("pndm");
    o.negative_prompt = "a white daisy";
    expect_same_picture({"negative", "a daisy in the grass", 11, o});
}

// goldens/make_word_goldens.py: load_textual_inversion, two vectors and one in the negative text.
TEST(Generate, WordsOfTextualInversion) {
    const TensorMap golden = read_safetensors(KEEPSAKE_GOLDENS "/word_picture.safetensors");
    const Model model =
        with_words(flowers(), {{"<c>", golden.at("<c>"), "c"}, {"<d>", golden.at("<d>"), "d"}});
    GenerateInput input;
    input.generators = {make_generator(7)};
    input.cond = encode_text(model, "a photo of <C> in the grass");
    input.uncond = encode_text(model, "<d>");
    input.noise = initial_noise(model, 128, 128, input.generators[0]);
    SampleOptions sample = options("ddim");
    sample.steps = 5;
    Monitor monitor;
    const Tensor& wanted = golden.at("latents");
    const auto error = [&] {
        const Tensor latents = generate_latents(model, input, sample, monitor);
        return ((latents - wanted).abs().max() / wanted.abs().max()).item<double>();
    };
    EXPECT_LT(error(), 2e-3);
    input.uncond = encode_text(flowers(), "<d>");
    EXPECT_GT(error(), 0.05) << "the negative text's word counts";
    EXPECT_EQ(model.fingerprint, flowers().fingerprint);
    EXPECT_EQ(flowers().words.size(), 0u);
    // Texts without them mean what they meant.
    EXPECT_TRUE(at::equal(encode_text(model, "a red rose"), encode_text(flowers(), "a red rose")));

    const auto refusal = [&](const LearnedWord& word) -> std::string {
        try {
            with_words(model, {word});
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    };
    EXPECT_EQ(refusal({"<x>", at::zeros({1, 768}), "x.safetensors"}),
              "x.safetensors: '<x>' is for Stable Diffusion 1.x; this model has text of width 192");
    EXPECT_NE(refusal({"cat", at::zeros({1, 192}), "cat.safetensors"})
                  .find("cat.safetensors: word 'cat': is in the model's vocabulary"),
              std::string::npos);
    EXPECT_NE(refusal({"<C>", at::zeros({1, 192}), "y"}).find("a token of this name already"),
              std::string::npos);
}

TEST(Generate, GuidanceOneIsOnePass) {
    SampleOptions o = options("pndm");
    o.guidance_scale = 1.0;
    expect_same_picture({"unguided", "a sunflower", 5, o});

    const at::NoGradGuard no_grad;  // as the denoiser: with a gradient, other kernels run
    const Model& model = flowers();
    const Tensor cond = encode_text(model, "a sunflower");
    const Tensor x = randn({1, 8, 16, 16}, make_generator(1));
    const Tensor alone = guided_denoiser(model.unet, cond, {}, 1.0)(x, 500);
    EXPECT_TRUE(at::equal(alone, model.unet(x, at::full({1}, 500.0), cond)));
}

TEST(Generate, NotSquare) {
    expect_same_picture({"wide", "a purple tulip", 2, options("pndm"), 192, 104});
}

TEST(Generate, GuidanceIsTheExtrapolationOfTwoPasses) {
    const Model& model = flowers();
    const Tensor cond = encode_text(model, "a red rose");
    const Tensor uncond = encode_text(model, "");
    const Tensor x = randn({2, 8, 16, 16}, make_generator(1));
    const Tensor with = guided_denoiser(model.unet, cond, {}, 1.0)(x, 300);
    const Tensor without = guided_denoiser(model.unet, uncond, {}, 1.0)(x, 300);
    const Tensor guided = guided_denoiser(model.unet, cond, uncond, 4.0)(x, 300);
    const Tensor wanted = without + 4.0 * (with - without);
    EXPECT_LT((guided - wanted).abs().max().item<double>(),
              1e-4 * wanted.abs().max().item<double>());
}

TEST(Generate, StrengthZeroIsThePictureItself) {
    const Model& model = flowers();
    GenerateInput input;
    input.cond = encode_text(model, "a rose");
    input.uncond = encode_text(model, "");
    input.init_latents = encode_image(model, test_picture());
    input.strength = 0;
    input.noise = initial_noise(model, 128, 128, make_generator(1));
    Monitor monitor;
    const Tensor latents = generate_latents(model, input, options("euler"), monitor);
    EXPECT_TRUE(at::equal(latents, *input.init_latents));
    // One for each noise all the same.
    input.noise = at::cat({input.noise, input.noise});
    const Tensor two = generate_latents(model, input, options("euler"), monitor);
    EXPECT_TRUE(at::equal(two, at::cat({latents, latents})));
}

TEST(Generate, StopsWhenAsked) {
    const Model& model = flowers();
    GenerateInput input;
    input.cond = encode_text(model, "a rose");
    input.uncond = encode_text(model, "");
    input.noise = initial_noise(model, 128, 128, make_generator(1));
    std::stop_source stop;
    std::int64_t reports = 0;
    Monitor monitor(
        [&](const Progress& progress) {
            EXPECT_EQ(progress.total, 20);
            if (++reports == 3) stop.request_stop();
        },
        stop.get_token());
    EXPECT_THROW(generate_latents(model, input, options("dpmpp_2m"), monitor), Cancelled);
    EXPECT_EQ(reports, 3);
}

TEST(Generate, SizeThatIsNoMultipleOfEightIsNamed) {
    try {
        initial_noise(flowers(), 100, 128, make_generator(1));
        FAIL() << "accepted 100x128";
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("100x128"), std::string::npos) << error.what();
    }
}

// It would be written as black, or as white, and nobody told.
TEST(Generate, WhatIsNotFiniteIsNoPicture) {
    const auto why = [](const auto& run) -> std::string {
        try {
            run();
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    };
    const Model& model = flowers();
    const std::int64_t channels = model.vae.config().latent_channels;
    for (const double value : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
        Tensor latents = at::zeros({1, channels, 4, 4});
        latents[0][1][2][3] = value;
        EXPECT_EQ(why([&] {
                      decode_latents(model, latents);
                  }).find("what was sampled: has values that are not finite"),
                  0u);
    }
    // Finite latents, and a decoder that overflows.
    EXPECT_EQ(why([&] {
                  decode_latents(model, at::full({1, channels, 4, 4}, 1e38));
              }).find("the decoded picture: has values that are not finite"),
              0u);
    EXPECT_EQ(why([&] {
                  encode_image(model, at::full({1, 3, 32, 32}, std::nan("")));
              }).find("the photo's latents: has values"),
              0u);
}

}  // namespace
}  // namespace keepsake::pipeline
