// The rate of stage B that is found by trying: the curve's lowest point, on a network and on itself
// with its weights in another scale, without a trace in the tuning.
#include "optimize/imagic/rate_trial.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "optimize/imagic/fast.h"
#include "pipeline/model/generate.h"
#include "tests/optimize/imagic/flowers.h"

namespace keepsake::optimize {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

TEST(BestRate, IsTheLowestPointOfTheCurveOverLogRates) {
    // (ln(rate / 3e-3))^2 + 0.1, which is lowest at 3e-3, on rates that are not evenly spaced.
    const auto at = [](double rate) {
        const double x = std::log(rate / 3e-3);
        return TriedRate{rate, x * x + 0.1};
    };
    EXPECT_EQ(best_rate({at(1e-3), at(2e-3), at(8e-3)}), 3e-3);
    EXPECT_EQ(best_rate({at(5e-4), at(4e-3), at(2e-2), at(2e-3), at(8e-3)}), 3e-3);
    EXPECT_EQ(best_rate({at(1e-3), at(2.5e-3), at(2e-2)}), 3e-3);
}

TEST(BestRate, WithoutANeighbourIsTheBestItself) {
    EXPECT_EQ(best_rate({{2e-3, 0.3}}), 2e-3);
    EXPECT_EQ(best_rate({{2e-3, 0.3}, {4e-3, 0.2}}), 4e-3);
    EXPECT_EQ(best_rate({{2e-3, 0.1}, {4e-3, 0.2}}), 2e-3);
    EXPECT_EQ(best_rate({{1e-3, 0.4}, {2e-3, 0.3}, {4e-3, infinite}}), 2e-3);
    EXPECT_EQ(best_rate({{1e-3, 0.3}, {2e-3, 0.3}, {4e-3, 0.3}}), 1e-3);
}

TEST(BestRate, HasTwoDigits) {
    EXPECT_EQ(best_rate({{0.0022623, 0.3}}), 0.0023);
    EXPECT_EQ(best_rate({{0.00098, 0.3}}), 0.00098);
    EXPECT_EQ(best_rate({{0.0999, 0.3}}), 0.1);
    EXPECT_EQ(best_rate({{3.14, 0.3}}), 3.1);
    EXPECT_EQ(best_rate({{314.0, 0.3}}), 310);
}

TEST(BestRate, OfNoNumberIsAnError) {
    EXPECT_THROW(best_rate({}), Error);
    EXPECT_THROW(best_rate({{1e-3, infinite}, {2e-3, infinite}}), Error);
}

// A red disc on green, 64 x 64, as the model has it: (1, 8, 8, 8). Of noise for a picture so little
// can be learned that a processor's last digits decide which rate is the best.
Tensor picture() {
    const at::NoGradGuard no_grad;
    const Tensor squares = at::linspace(-1, 1, 64).square();
    const Tensor inside = (squares.unsqueeze(0) + squares.unsqueeze(1) < 0.4).to(at::kFloat);
    const Tensor red = 1.6 * inside - 0.8;
    return pipeline::encode_image(flowers(),
                                  at::stack({red, -0.6 * red, -0.7 + 0 * red}).unsqueeze(0));
}

struct Trial {
    TuningTask task{flowers().unet, flowers().schedule, picture(), 3};
    StageOptions finetune = fast_options().finetune;
    Tuning tuning;

    Trial() {
        finetune.steps = 12;
        finetune.rank = 4;
        finetune.batch_size = 2;
        tuning.target_embedding = pipeline::encode_text(flowers(), "a red rose");
        StageOptions embedding = fast_options().embedding;
        embedding.steps = 6;
        embedding.learning_rate = 5e-2;
        optimise_embedding(task, embedding, tuning);
    }
};

double loss_with(const Trial& t, double rate) {
    Tuning tuning = t.tuning;
    tuning.optimised_embedding = t.tuning.optimised_embedding.clone();
    StageOptions options = t.finetune;
    options.learning_rate = rate;
    fine_tune(t.task, options, tuning);
    return *tuning.finetune_losses.after;
}

TEST(FindFinetuneRate, LearnsAsWellAsRatesBesideItAndLeavesNoTrace) {
    const Trial t;
    const Tensor embedding = t.tuning.optimised_embedding.clone();
    const double rate = find_finetune_rate(t.task, t.finetune, t.tuning);
    EXPECT_TRUE(t.tuning.loras.empty());
    EXPECT_FALSE(t.tuning.unet);
    EXPECT_EQ(t.tuning.finetune_steps, 0);
    EXPECT_TRUE(t.tuning.finetune_losses.training.empty());
    EXPECT_TRUE(at::equal(t.tuning.optimised_embedding, embedding));
    const double loss = loss_with(t, rate);
    EXPECT_LT(loss, loss_with(t, rate / 4));
    EXPECT_LT(loss, loss_with(t, rate * 4));
}

TEST(FindFinetuneRate, WorksOnAllWeightsAndOnALoraThatIsThere) {
    Trial all;
    all.finetune.rank = 0;
    const Tensor weight = flowers().unet.parameters().at("conv_in.weight").clone();
    const double of_all = find_finetune_rate(all.task, all.finetune, all.tuning);
    EXPECT_GT(of_all, 0);
    EXPECT_TRUE(at::equal(flowers().unet.parameters().at("conv_in.weight"), weight));
    EXPECT_FALSE(all.tuning.unet);

    Trial again;
    again.tuning.loras =
        pipeline::make_loras(flowers().unet, again.finetune.rank, pipeline::make_generator(1));
    const TensorMap matrices = pipeline::lora_tensors(again.tuning.loras);
    TensorMap before;
    for (const auto& [name, tensor] : matrices) before[name] = tensor.clone();
    EXPECT_GT(find_finetune_rate(again.task, again.finetune, again.tuning), 0);
    for (const auto& [name, tensor] : matrices) EXPECT_TRUE(at::equal(tensor, before.at(name)));
}

TEST(FindFinetuneRate, StopsWhenAsked) {
    const Trial t;
    std::int64_t steps = 0;
    Monitor monitor([&](const Progress& progress) {
        EXPECT_EQ(progress.note, "rate");
        EXPECT_EQ(progress.done, ++steps);
        if (steps == rate_trial_steps + 2) throw Cancelled();
    });
    StageControls controls;
    controls.monitor = &monitor;
    EXPECT_THROW(find_finetune_rate(t.task, t.finetune, t.tuning, controls), Cancelled);
}

}  // namespace
}  // namespace keepsake::optimize
