// The words' way of stage C: what holds of it whatever the model. That its edits are good is
// measured by tests/bench/forty_edits.py.
#include "pipeline/model/generate_edits.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline {
namespace {

const Model& flowers() {
    static const Model model = load_model(KEEPSAKE_ASSETS "/models/flowers");
    return model;
}

struct Words {
    Tensor red = encode_text(flowers(), "a red rose");
    Tensor white = encode_text(flowers(), "a white rose");
    Tensor none = encode_text(flowers(), "");
};

const Words& words() {
    static const Words all;
    return all;
}

EditTask task() {
    EditTask task{flowers().unet, {}, {}, {}, {}, 0, 0, {}};
    task.target = words().red;
    task.optimised = words().white;
    task.uncond = words().none;
    task.width = task.height = 64;
    return task;
}

SampleOptions options(double guidance = 1) {
    SampleOptions options;
    options.sampler = Sampler::dpmpp_2m;
    options.steps = 6;
    options.guidance_scale = guidance;
    return options;
}

Tensor edits(const EditTask& task, const std::vector<EditPicture>& pictures,
             const SampleOptions& options, const PullOptions& pull = {}) {
    Monitor silent;
    return generate_edits(flowers(), task, pictures, options, pull, silent);
}

Tensor plain(const Tensor& cond, const SampleOptions& options, std::uint64_t seed) {
    GenerateInput input;
    input.generators = {make_generator(seed)};
    input.noise = initial_noise(flowers(), 64, 64, input.generators[0]);
    input.cond = cond;
    input.uncond = words().none;
    Monitor silent;
    return generate_latents(flowers(), input, options, silent);
}

double distance(const Tensor& a, const Tensor& b) {
    return (a - b).abs().max().item<double>();
}

TEST(GenerateEdits, WithoutPullItIsThePhotosReconstruction) {
    for (const double guidance : {1.0, 3.0}) {
        const Tensor made = edits(task(), {{4, 0}}, options(guidance));
        EXPECT_LT(distance(made, plain(words().white, options(guidance), 4)), 1e-5) << guidance;
    }
}

// Pull 1, in every step and with each picture's own layout: where the words are held against what
// the photo is drawn with, that cancels and the target's prediction is left.
TEST(GenerateEdits, APullOfOneAgainstThePhotosOwnTextIsTheTargetText) {
    EditTask same = task();
    same.uncond = same.optimised;
    const Tensor made = edits(same, {{4, 1}}, options(), {.steps_share = 1, .layout_share = 0});
    EXPECT_LT(distance(made, plain(words().red, options(), 4)), 1e-3);
    EXPECT_GT(distance(made, plain(words().white, options(), 4)), 0.1);
}

TEST(GenerateEdits, TheLayoutIsThePhotosInTheShareOfStepsThatIsSaid) {
    const Tensor free = edits(task(), {{4, 1}}, options(), {.layout_share = 0});
    const Tensor half = edits(task(), {{4, 1}}, options(), {.layout_share = 0.5});
    const Tensor laid = edits(task(), {{4, 1}}, options(), {.layout_share = 1});
    EXPECT_GT(distance(free, laid), 1e-2);
    EXPECT_GT(distance(half, laid), 1e-3);
    EXPECT_GT(distance(half, free), 1e-3);
    // The photo's own layout is its own already.
    EXPECT_TRUE(at::equal(edits(task(), {{4, 0}}, options(), {.layout_share = 0}),
                          edits(task(), {{4, 0}}, options(), {.layout_share = 1})));
}

TEST(GenerateEdits, OutsideTheMaskIsThePhotoToTheLastDigit) {
    EditTask masked = task();
    masked.mask = at::zeros({1, 1, 8, 8}, at::kFloat);
    masked.mask.slice(3, 4, 8).fill_(1);
    for (const Sampler sampler : all_samplers()) {
        SampleOptions sampled = options();
        sampled.sampler = sampler;
        const Tensor made = edits(masked, {{4, 0}, {4, 3}}, sampled);
        EXPECT_TRUE(at::equal(made[0].slice(2, 0, 4), made[1].slice(2, 0, 4)))
            << sampler_name(sampler);
        EXPECT_GT(distance(made[0].slice(2, 4, 8), made[1].slice(2, 4, 8)), 1e-2)
            << sampler_name(sampler);
    }
}

TEST(GenerateEdits, EachPictureIsWhatItIsAlone) {
    if (!kernels::best_kernels()) GTEST_SKIP() << "LibTorch's operators promise nothing";
    const std::vector<EditPicture> pictures = {{4, 2}, {9, 0}, {4, 0}, {9, 2}, {4, 5}};
    for (const double guidance : {1.0, 3.0}) {
        SampleOptions sampled = options(guidance);
        sampled.sampler = Sampler::ddim;
        sampled.ddim_eta = 0.5;
        const Tensor together = edits(task(), pictures, sampled);
        ASSERT_EQ(together.size(0), 5);
        for (std::size_t i = 0; i < pictures.size(); ++i) {
            EXPECT_TRUE(at::equal(edits(task(), {pictures[i]}, sampled)[0],
                                  together[static_cast<std::int64_t>(i)]))
                << i;
        }
    }
}

TEST(GenerateEdits, MissingOrMisfittingThingsAreNamed) {
    const auto refusal = [](const EditTask& task, const SampleOptions& options,
                            const PullOptions& pull) -> std::string {
        try {
            edits(task, {{0, 1}}, options, pull);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_NE(refusal(task(), options(), {.steps_share = 1.5}).find("steps_share"),
              std::string::npos);
    EXPECT_NE(refusal(task(), options(), {.layout_share = -1}).find("layout_share"),
              std::string::npos);
    EditTask no_text = task();
    no_text.target = Tensor();
    EXPECT_NE(refusal(no_text, options(), {}).find("text: an embedding"), std::string::npos);
    EditTask no_null = task();
    no_null.uncond = Tensor();
    EXPECT_NE(refusal(no_null, options(), {}).find("negative prompt"), std::string::npos);
    SampleOptions shared = options();
    shared.noise_share = 0.5;
    EXPECT_NE(refusal(task(), shared, {}).find("inverted"), std::string::npos);
}

TEST(UNetLayout, ARowOfTheOthersLayoutAndNothingElseChanges) {
    const UNet& unet = flowers().unet;
    const Tensor x = randn({3, unet.config().in_channels, 8, 8}, make_generator(1));
    const Tensor t = at::full({1}, 500.0);
    const Tensor text = at::cat({words().red, words().white, words().none});
    const at::NoGradGuard no_grad;
    const Tensor own = unet(x, t, text);
    const auto rows = [](std::vector<std::int64_t> of) { return at::tensor(of, at::kLong); };
    EXPECT_TRUE(at::equal(unet.with_layout(x, t, text, {}), own));
    EXPECT_TRUE(at::equal(unet.with_layout(x, t, text, rows({0, 1, 2})), own));
    const Tensor laid = unet.with_layout(x, t, text, rows({0, 0, 2}));
    EXPECT_TRUE(at::equal(laid[0], own[0]));
    EXPECT_TRUE(at::equal(laid[2], own[2]));
    EXPECT_GT(distance(laid[1], own[1]), 1e-3);
    EXPECT_THROW(unet.with_layout(x, t, text, rows({0, 0})), Error);
}

}  // namespace
}  // namespace keepsake::pipeline
