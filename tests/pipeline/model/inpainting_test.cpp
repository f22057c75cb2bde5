// Drawing into a picture where a mask says, against diffusers' pipeline
// (tests/goldens/make_inpainting_goldens.py).
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/model/generate.h"
#include "tests/pipeline/model/model_on_disk.h"

namespace keepsake::pipeline {
namespace {

using testing::thrown_message;

const TensorMap& goldens() {
    static const TensorMap tensors = read_safetensors(KEEPSAKE_GOLDENS "/inpainting.safetensors");
    return tensors;
}

// The golden checkpoint with CLIP's whole vocabulary, and for inpainting with the five more input
// channels of the golden script.
Model load(bool for_inpainting) {
    const testing::TemporaryFolder folder;
    TensorMap tensors = testing::golden_checkpoint("ldm_sd1");
    if (for_inpainting) testing::widen_checkpoint(tensors, 5, make_generator(5));
    write_safetensors(folder.path / "model.safetensors", tensors);
    return load_model(folder.path / "model.safetensors",
                      {.default_tokenizer = testing::bundled_model() / "tokenizer"});
}

const Model& model_of(const std::string& kind) {
    static const Model plain = load(false), inpainting = load(true);
    return kind == "inpainting" ? inpainting : plain;
}

struct Case {
    std::string kind, sampler;
    double strength;
};

// Draws its random numbers in diffusers' order.
GenerateInput input_of(const Case& c) {
    const Model& model = model_of(c.kind);
    const Tensor& image = goldens().at("image");
    const Tensor& mask = goldens().at("mask");
    GenerateInput input;
    input.generators = {make_generator(11)};
    const bool unseen = is_inpainting(model) && c.strength == 1;
    input.init_latents =
        encode_image(model, image, unseen ? std::vector<at::Generator>() : input.generators);
    input.noise = initial_noise(model, 32, 32, input.generators[0]);
    input.inpainting = Inpainting{latent_mask(model, mask), {}};
    input.inpainting->masked_latents =
        encode_image(model, without_masked(image, mask), input.generators);
    input.cond = model.text_encoder(goldens().at("ids"));
    input.uncond = model.text_encoder(goldens().at("negative_ids"));
    input.strength = c.strength;
    return input;
}

Tensor drawn(const Case& c, const GenerateInput& input) {
    SampleOptions options{.sampler = parse_sampler(c.sampler), .steps = 6, .guidance_scale = 2.5};
    Monitor monitor;
    return generate_latents(model_of(c.kind), input, options, monitor);
}

TEST(Inpainting, DrawsWhatTheReferenceDraws) {
    const at::NoGradGuard no_grad;
    int cases = 0;
    for (const std::string kind : {"inpainting", "plain"}) {
        for (const auto& [sampler, strength] :
             std::vector<std::pair<std::string, double>>{{"ddim", 1},
                                                         {"euler", 0.6},
                                                         {"dpmpp_2m", 1},
                                                         {"pndm", 0.6},
                                                         {"heun", 1},
                                                         {"euler_a", 1},
                                                         {"unipc", 0.6}}) {
            const Case c{kind, sampler, strength};
            const std::string name = kind + "-" + sampler + (strength == 1 ? "-1.0" : "-0.6");
            const Tensor expected = goldens().at(name);
            const Tensor found = drawn(c, input_of(c));
            const double error =
                (found - expected).abs().max().item<double>() / expected.abs().max().item<double>();
            EXPECT_LT(error, 1e-4) << name;
            ++cases;
        }
    }
    EXPECT_EQ(cases, 14);
}

TEST(Inpainting, OutsideTheMaskTheLatentsAreThePictures) {
    const at::NoGradGuard no_grad;
    for (const Sampler sampler : all_samplers()) {
        const Case c{"plain", std::string(sampler_name(sampler)), 1};
        const GenerateInput input = input_of(c);
        const Tensor found = drawn(c, input), outside = 1 - input.inpainting->mask;
        EXPECT_TRUE(at::equal(found * outside, *input.init_latents * outside)) << c.sampler;
        const Tensor inside = (found - *input.init_latents) * input.inpainting->mask;
        EXPECT_GT(inside.abs().max().item<double>(), 0.1) << c.sampler;
    }
}

TEST(Inpainting, WhatIsMissingIsNamed) {
    const at::NoGradGuard no_grad;
    const auto refusal = [](const Case& c, auto change) {
        GenerateInput input = input_of(c);
        change(input);
        return thrown_message<Error>([&] { drawn(c, input); });
    };
    using Input = GenerateInput;
    EXPECT_NE(refusal({"inpainting", "ddim", 1}, [](Input& i) { i.inpainting.reset(); })
                  .find("draws into a picture where a mask says"),
              std::string::npos);
    EXPECT_EQ(refusal({"plain", "ddim", 1}, [](Input& i) { i.init_latents.reset(); }),
              "inpainting: needs the picture's latents");
    EXPECT_EQ(
        refusal({"inpainting", "ddim", 1}, [](Input& i) { i.inpainting->masked_latents.reset(); }),
        "inpainting: needs the latents of the masked picture");
    EXPECT_EQ(refusal({"plain", "ddim", 1},
                      [](Input& i) {
                          i.inpainting->mask = at::ones({1, 1, 3, 3});
                      }),
              "inpainting: the mask is not of the latents' size");
}

}  // namespace
}  // namespace keepsake::pipeline
