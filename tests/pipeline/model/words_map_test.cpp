#include "pipeline/model/words_map.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "pipeline/model/generate.h"
#include "tests/pipeline/networks/network_golden.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

using testing::thrown_message;

class WordsMap : public ::testing::Test {
  protected:
    WordsMap()
        : golden("unet_sd1"),
          unet(UNetConfig::from_json(golden.config), Weights::from_tensors(golden.weights)) {
        const at::Generator generator = make_generator(3);
        input.latents = randn({1, unet.config().in_channels, 8, 16}, generator);
        input.text = randn({1, 7, unet.config().cross_attention_dim}, generator);
    }

    Tensor map(const WordsMapOptions& options) {
        Monitor monitor;
        return words_map(unet, schedule, input, options, monitor);
    }

    const NetworkGolden golden;
    const UNet unet;
    const Schedule schedule{ScheduleConfig::stable_diffusion(PredictionType::epsilon)};
    WordsMapInput input;
};

TEST_F(WordsMap, IsWhatDoesNotRestOnTheStartOfTheText) {
    const at::NoGradGuard no_grad;
    const Tensor noise = randn(input.latents.sizes(), make_generator(5));
    Tensor start = at::zeros({8, 16});
    for (const std::int64_t at : {299, 499}) {
        const Tensor timestep = at::full({1}, at, at::kLong);
        const Tensor noisy = schedule.add_noise(input.latents, noise, timestep);
        start += unet.text_shares(noisy, timestep, input.text)[0][0] / 2;
    }
    const Tensor found = map({.strengths = {0.3, 0.5}, .samples = 1, .seed = 5});
    EXPECT_LT(relative_error(found, -at::log(start)), 1e-5);
    EXPECT_GT(found.min().item<double>(), 0);
}

TEST_F(WordsMap, DependsOnTheSeedAndNotOnWhatWasAskedBefore) {
    const Tensor once = map({.samples = 2}), again = map({.samples = 2});
    EXPECT_TRUE(at::equal(once, again));
    EXPECT_FALSE(at::equal(once, map({.samples = 2, .seed = 1})));
}

TEST_F(WordsMap, ReportsItsNoisesAndStops) {
    std::stop_source stop;
    std::vector<std::int64_t> steps;
    Monitor monitor(
        [&](const Progress& progress) {
            steps.push_back(progress.done);
            EXPECT_EQ(progress.total, 4);
            if (progress.done == 2) stop.request_stop();
        },
        stop.get_token());
    EXPECT_THROW(words_map(unet, schedule, input, {.samples = 4}, monitor), Cancelled);
    EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 2}));
}

TEST_F(WordsMap, RefusesWhatDoesNotFit) {
    const auto message = [&](const WordsMapOptions& options) {
        return thrown_message<Error>([&] { map(options); });
    };
    EXPECT_CONTAINS(message({.strengths = {0.5, 0}}), "strength 0.0");
    EXPECT_CONTAINS(message({.strengths = {1.5}}), "strength 1.5");
    EXPECT_CONTAINS(message({.strengths = {}}), "strength");
    EXPECT_CONTAINS(message({.samples = 0}), "sample");
    input.text = input.text[0];
    EXPECT_CONTAINS(message({}), "text");
}

TEST_F(WordsMap, AttentionThatIsNotFiniteIsAnError) {
    input.text[0][0][0] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_CONTAINS(thrown_message<Error>([&] { map({.samples = 1}); }), "not finite");
}

}  // namespace
}  // namespace keepsake::pipeline
