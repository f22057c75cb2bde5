#include "optimize/imagic/words_network.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "pipeline/model/generate.h"
#include "tests/optimize/imagic/flowers.h"

namespace keepsake::optimize {
namespace {

// Two steps of stage B with the LoRA or all weights, on any latents.
Tuning tuned(std::int64_t rank) {
    Tuning tuning;
    tuning.target_embedding = pipeline::encode_text(flowers(), "a red rose");
    tuning.optimised_embedding = tuning.target_embedding;
    const Tensor latents = pipeline::randn({1, flowers().unet.config().in_channels, 8, 8},
                                           pipeline::make_generator(3));
    const TuningTask task{flowers().unet, flowers().schedule, latents, 0};
    fine_tune(task, {.steps = 2, .learning_rate = 0.01, .rank = rank}, tuning);
    return tuning;
}

Tensor prediction(const pipeline::UNet& unet) {
    const at::NoGradGuard no_grad;
    const Tensor x =
        pipeline::randn({1, unet.config().in_channels, 8, 8}, pipeline::make_generator(5));
    return unet(x, at::full({1}, 400.0), pipeline::encode_text(flowers(), "a rose"));
}

double distance(const Tensor& a, const Tensor& b) {
    return (a - b).abs().max().item<double>();
}

TEST(WordsNetwork, GoesFromThePretrainedToTheTunedOne) {
    for (const std::int64_t rank : {0, 4}) {
        const Tuning tuning = tuned(rank);
        const Tensor before = prediction(flowers().unet), after = prediction(*tuning.unet);
        ASSERT_GT(distance(before, after), 1e-2) << rank;
        const auto of = [&](double share) {
            return prediction(words_network(flowers().unet, tuning, share));
        };
        EXPECT_LT(distance(of(0), before), 1e-4) << rank;
        EXPECT_LT(distance(of(1), after), 1e-4) << rank;
        EXPECT_GT(distance(of(0.5), before), 1e-3) << rank;
        EXPECT_GT(distance(of(0.5), after), 1e-3) << rank;
    }
}

// The change of a weight is the share of the change, by either means.
TEST(WordsNetwork, WeightsLieBetweenByTheShare) {
    const Tuning tuning = tuned(0);
    const pipeline::UNet between = words_network(flowers().unet, tuning, 0.25);
    for (const auto& [name, weight] : between.parameters()) {
        const Tensor& before = flowers().unet.parameters().at(name);
        const Tensor expected = before + 0.25 * (tuning.unet->parameters().at(name) - before);
        EXPECT_LT(distance(weight, expected), 1e-6) << name;
    }
}

TEST(WordsNetwork, BeforeStageBItIsThePretrainedOne) {
    EXPECT_TRUE(
        at::equal(prediction(words_network(flowers().unet, {})), prediction(flowers().unet)));
}

}  // namespace
}  // namespace keepsake::optimize
