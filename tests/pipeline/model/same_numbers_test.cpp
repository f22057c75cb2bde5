// A picture is the same alone and among others, and whatever the number of threads: renders can be
// made together, and threads chosen by the clock, without a pixel changing.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <functional>

#include "pipeline/compute/kernels.h"
#include "pipeline/model/generate.h"
#include "pipeline/model/model.h"

namespace keepsake::pipeline {
namespace {

class SameNumbers : public testing::TestWithParam<Arithmetic> {
  protected:
    // LibTorch's operators promise no such thing.
    void SetUp() override {
        if (!kernels::kernels_for(GetParam())) GTEST_SKIP() << "no kernels for this processor";
    }
    void TearDown() override { at::set_num_threads(threads_); }

    const Model model_ = load_model(KEEPSAKE_ASSETS "/models/flowers", {.arithmetic = GetParam()});
    const at::NoGradGuard no_grad_{};
    const int threads_ = at::get_num_threads();
};

Tensor random_context(const Model& model, std::int64_t batch) {
    return randn({batch, 77, model.unet.config().cross_attention_dim}, make_generator(2));
}

TEST_P(SameNumbers, AloneAndAmongOthers) {
    const Tensor timestep = at::full({1}, 400.0);
    // The bundled model's own size; one of odd sides on every level; a wide one.
    for (const auto& [height, width] : {std::pair{16, 16}, {13, 11}, {8, 24}}) {
        const Tensor sample =
            randn({7, model_.unet.config().in_channels, height, width}, make_generator(1));
        const Tensor context = random_context(model_, 7);
        const Tensor all = model_.unet(sample, timestep, context);
        for (std::int64_t i = 0; i < 7; ++i) {
            const Tensor alone =
                model_.unet(sample.slice(0, i, i + 1), timestep, context.slice(0, i, i + 1));
            EXPECT_TRUE(at::equal(alone[0], all[i])) << i << " of " << height << "x" << width;
        }
        const Tensor three =
            model_.unet(sample.slice(0, 2, 5), timestep, context.slice(0, 2, 5).contiguous());
        EXPECT_TRUE(at::equal(three, all.slice(0, 2, 5))) << height << "x" << width;
    }
    const Tensor latents = randn({3, model_.unet.config().in_channels, 16, 16}, make_generator(3));
    const Tensor pictures = decode_latents(model_, latents);
    for (std::int64_t i = 0; i < 3; ++i)
        EXPECT_TRUE(at::equal(decode_latents(model_, latents.slice(0, i, i + 1))[0], pictures[i]));
}

// Sampled as a batch of seeds: each draws its own noise, DDIM's too.
TEST_P(SameNumbers, SeedsTogetherAndAlone) {
    const Tensor cond = random_context(model_, 3);
    const Tensor uncond = encode_text(model_, "");
    const Tensor image = randn({1, 3, 128, 128}, make_generator(4)).clamp(-1, 1);
    Monitor monitor;
    const auto made = [&](const std::vector<std::uint64_t>& seeds, const Tensor& texts,
                          const SampleOptions& options, double strength) {
        GenerateInput input;
        for (const std::uint64_t seed : seeds) input.generators.push_back(make_generator(seed));
        if (strength < 1) input.init_latents = encode_image(model_, image, input.generators);
        std::vector<Tensor> noise;
        for (const at::Generator& generator : input.generators)
            noise.push_back(initial_noise(model_, 128, 128, generator));
        input.noise = at::cat(noise);
        input.cond = texts;
        input.uncond = uncond;
        input.strength = strength;
        return generate_latents(model_, input, options, monitor);
    };
    for (const Sampler sampler : all_samplers()) {
        for (const double strength : {1.0, 0.6, 0.0}) {
            SampleOptions options;
            options.sampler = sampler;
            options.steps = 4;
            options.ddim_eta = sampler == Sampler::ddim ? 0.5 : 0;
            const Tensor all = made({5, 6, 5}, cond, options, strength);
            ASSERT_EQ(all.size(0), 3);
            for (std::int64_t i = 0; i < 3; ++i) {
                const std::uint64_t seed = i == 1 ? 6 : 5;
                const Tensor alone = made({seed}, cond.slice(0, i, i + 1), options, strength);
                EXPECT_TRUE(at::equal(alone[0], all[i]))
                    << sampler_name(sampler) << ", strength " << strength << ", picture " << i;
            }
        }
    }
}

TEST_P(SameNumbers, WhateverTheNumberOfThreads) {
    const std::int64_t channels = model_.unet.config().in_channels;
    const Tensor latents = randn({2, channels, 16, 16}, make_generator(1));
    const Tensor image = randn({1, 3, 128, 128}, make_generator(4)).clamp(-1, 1);
    const std::vector<std::function<Tensor()>> works = {
        [&] { return model_.unet(latents, at::full({1}, 400.0), random_context(model_, 2)); },
        [&] { return decode_latents(model_, latents); },
        [&] { return encode_image(model_, image); },
        [&] { return encode_text(model_, "a photo of a red tulip"); },
        // Large enough that a norm's moments are taken in many parts.
        [&] {
            return decode_latents(model_, randn({1, channels, 40, 40}, make_generator(5)));
        }};
    for (std::size_t i = 0; i < works.size(); ++i) {
        at::set_num_threads(1);
        const Tensor one = works[i]();
        for (const int threads : {2, 3, 5}) {
            at::set_num_threads(threads);
            EXPECT_TRUE(at::equal(works[i](), one))
                << "work " << i << ", " << threads << " threads";
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Arithmetics, SameNumbers,
                         testing::Values(Arithmetic::float32, Arithmetic::bfloat16),
                         [](const auto& given) {
                             return given.param == Arithmetic::float32 ? "float32" : "bfloat16";
                         });

}  // namespace
}  // namespace keepsake::pipeline
