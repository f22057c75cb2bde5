#include "pipeline/model/edit_mask.h"

#include <gtest/gtest.h>

#include <limits>

#include "pipeline/model/generate.h"
#include "tests/pipeline/networks/network_golden.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

using testing::thrown_message;

class EditMask : public ::testing::Test {
  protected:
    EditMask()
        : golden("unet_sd1"),
          unet(UNetConfig::from_json(golden.config), Weights::from_tensors(golden.weights)) {
        const UNetConfig& config = unet.config();
        const at::Generator generator = make_generator(3);
        input.latents = randn({1, config.in_channels, 8, 16}, generator);
        input.target = randn({1, 7, config.cross_attention_dim}, generator);
        input.source = randn({1, 7, config.cross_attention_dim}, generator);
    }

    Tensor mask(const EditMaskOptions& options) {
        Monitor monitor;
        return edit_mask(unet, schedule, input, options, monitor);
    }

    const NetworkGolden golden;
    const UNet unet;
    const Schedule schedule{ScheduleConfig::stable_diffusion(PredictionType::epsilon)};
    EditMaskInput input;
};

TEST_F(EditMask, IsTheMeanDifferenceOfThePredictions) {
    // One noise, by hand: section 3.2 at half of the noise.
    const at::NoGradGuard no_grad;
    const Tensor noise = randn(input.latents.sizes(), make_generator(5));
    const Tensor timestep = at::full({1}, 499, at::kLong);
    const Tensor noisy = schedule.add_noise(input.latents, noise, timestep);
    Tensor expected = (unet(noisy, timestep, input.target) - unet(noisy, timestep, input.source))
                          .abs()
                          .mean(1)[0];
    Monitor monitor;
    EXPECT_LT(
        relative_error(prediction_difference(unet, schedule, input,
                                             {.strength = 0.5, .samples = 1, .seed = 5}, monitor),
                       expected),
        1e-4);
    expected = expected.clamp_max(3 * expected.mean().item<double>());
    expected = expected / expected.max();
    const Tensor found = mask({.strength = 0.5, .samples = 1, .seed = 5});
    EXPECT_EQ(found.sizes(), (at::IntArrayRef{8, 16}));
    EXPECT_LT(relative_error(found, expected), 1e-4);
}

TEST_F(EditMask, SpansZeroToOneAndDependsOnTheSeedAlone) {
    const Tensor once = mask({.samples = 3}), again = mask({.samples = 3});
    EXPECT_TRUE(at::equal(once, again));
    EXPECT_EQ(once.max().item<float>(), 1.0f);
    EXPECT_GE(once.min().item<float>(), 0.0f);
    EXPECT_FALSE(at::equal(once, mask({.samples = 3, .seed = 1})));
}

TEST_F(EditMask, EqualTextsGiveAnEmptyMask) {
    input.source = input.target;
    EXPECT_EQ(mask({.samples = 2}).abs().max().item<float>(), 0.0f);
}

TEST_F(EditMask, ReportsItsStepsAndStops) {
    std::stop_source stop;
    std::vector<std::int64_t> steps;
    Monitor monitor(
        [&](const Progress& progress) {
            steps.push_back(progress.done);
            EXPECT_EQ(progress.total, 4);
            EXPECT_EQ(progress.note, "mask");
            if (progress.done == 2) stop.request_stop();
        },
        stop.get_token());
    EXPECT_THROW(edit_mask(unet, schedule, input, {.samples = 4}, monitor), Cancelled);
    EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(EditMask, RefusesWhatDoesNotFit) {
    const auto message = [&](const EditMaskOptions& options) {
        return thrown_message<Error>([&] { mask(options); });
    };
    EXPECT_NE(message({.strength = 0}).find("strength"), std::string::npos);
    EXPECT_NE(message({.strength = 1.5}).find("strength"), std::string::npos);
    EXPECT_NE(message({.samples = 0}).find("sample"), std::string::npos);
    input.latents = input.latents[0];
    EXPECT_NE(message({}).find("latents"), std::string::npos);
}

// Not a mask of nothing.
TEST_F(EditMask, PredictionsThatAreNotFiniteAreAnError) {
    input.target[0][0][0] = std::numeric_limits<float>::quiet_NaN();
    const std::string why = thrown_message<Error>([&] { mask({.samples = 1}); });
    EXPECT_EQ(why.find("the edit mask: has values that are not finite"), 0u) << why;
}

}  // namespace
}  // namespace keepsake::pipeline
