// Several ranks train as one does: here as threads, over MPI in
// tests/editor/commands/many_machines_test.cpp.
#include "optimize/training/ranks.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <mutex>

#include "optimize/learn/pictures.h"
#include "optimize/scratch/clip.h"
#include "optimize/training/loop.h"
#include "tests/optimize/learn/tiny_networks.h"
#include "tests/optimize/training/thread_ranks.h"

namespace keepsake::optimize {
namespace {

using testing::as_ranks;
using testing::group;

TEST(Ranks, PartsAreAllSamplesOnce) {
    for (std::int64_t count = 1; count <= 5; ++count)
        for (std::int64_t samples = 0; samples <= 12; ++samples) {
            std::int64_t next = 0;
            for (std::int64_t rank = 0; rank < count; ++rank) {
                const Part part = part_of({.rank = rank, .count = count}, samples);
                EXPECT_EQ(part.begin, next);
                EXPECT_LE(part.end - part.begin, (samples + count - 1) / count);
                next = part.end;
            }
            EXPECT_EQ(next, samples);
        }
}

TEST(Ranks, AloneNothingIsAsked) {
    const Ranks alone;  // sum and broadcast would throw bad_function_call
    const Tensor weight = at::ones({2}).set_requires_grad(true);
    sum_gradients(alone, {{"weight", weight}});
    EXPECT_FALSE(weight.grad().defined());
    broadcast(alone, {{"weight", weight}});
    wait_for_all(alone);
    require_same(alone, 3, "what", "why");
    EXPECT_EQ(sums(alone, {1.5}), std::vector<double>{1.5});
    EXPECT_TRUE(gather_rows(alone, weight, 0, 2).is_same(weight));
    EXPECT_EQ(first_alone(alone, [] { return 7; }), 7);
}

// Beyond one bucket, in a layout of its own, and where a rank has none.
TEST(Ranks, GradientsAreAddedUp) {
    as_ranks(3, [](const Ranks& ranks) {
        const auto with_gradient = [&](const Tensor& gradient) {
            Tensor parameter = at::zeros_like(gradient).set_requires_grad(true);
            if (gradient.numel() > 0) parameter.mutable_grad() = gradient;
            return parameter;
        };
        const auto share = static_cast<double>(ranks.rank + 1);
        const Tensor turned = at::arange(6.0).view({2, 3}).t() * share;
        TensorMap learns = {{"a", with_gradient(at::full({7 << 20}, share))},
                            {"b", with_gradient(turned)},
                            {"c", with_gradient(at::full({}, share))}};
        if (ranks.rank == 1) learns.at("c").mutable_grad() = Tensor();
        sum_gradients(ranks, learns);
        EXPECT_TRUE((learns.at("a").grad() == 6).all().item<bool>());
        EXPECT_TRUE(at::equal(learns.at("b").grad(), at::arange(6.0).view({2, 3}).t() * 6));
        EXPECT_EQ(learns.at("c").grad().item<double>(), 4);
    });
}

TEST(Ranks, WhatTheFirstHasComesToAll) {
    as_ranks(3, [](const Ranks& ranks) {
        const Tensor tensor = at::full({2, 3}, static_cast<double>(ranks.rank)).t();
        const std::int64_t version = tensor._version();
        broadcast(ranks, {{"tensor", tensor}});
        EXPECT_TRUE((tensor == 0).all().item<bool>());
        EXPECT_TRUE(is_first(ranks) || tensor._version() > version) << "layers keep copies";
        std::int64_t steps = 40 + ranks.rank;
        broadcast(ranks, steps);
        EXPECT_EQ(steps, 40);
        EXPECT_EQ(sums(ranks, {1, static_cast<double>(ranks.rank)}), (std::vector<double>{3, 3}));
    });
}

TEST(Ranks, TheFirstWorksAloneBeforeTheOthers) {
    std::mutex mutex;
    std::vector<std::int64_t> order;
    as_ranks(3, [&](const Ranks& ranks) {
        first_alone(ranks, [&] {
            const std::lock_guard lock(mutex);
            order.push_back(ranks.rank);
            return 0;
        });
    });
    ASSERT_EQ(order.size(), 3u);
    EXPECT_EQ(order[0], 0);
}

TEST(Ranks, AnotherRecipeIsRefusedWhereItIs) {
    std::atomic<int> refused = 0;
    as_ranks(3, [&](const Ranks& ranks) {
        try {
            require_same(ranks, ranks.rank == 2 ? 5 : 4, "run", "is another");
        } catch (const Error& error) {
            EXPECT_EQ(ranks.rank, 2);
            EXPECT_STREQ(error.what(), "run: is another");
            ++refused;
        }
    });
    EXPECT_EQ(refused, 1);
}

// A line through points: the loss of a step is the mean over 5 of them, by 2 at once.
struct Line {
    Tensor weights = at::zeros({3}, at::kDouble), bias = at::zeros({}, at::kDouble);
    std::int64_t steps = 0;
    TensorMap optimiser;
    StageLosses losses;

    TrainingRecipe recipe() const {
        TrainingRecipe recipe;
        recipe.name = "line";
        recipe.learns = {{"weights", weights}, {"bias", bias}};
        recipe.samples_at_once = 2;
        recipe.max_gradient_norm = 0.5;
        recipe.draw = [this](std::int64_t step) {
            const at::Generator generator = step_generator(1, Stream::imagic_embedding, step);
            const Tensor x = at::randn({5, 3}, generator, at::TensorOptions().dtype(at::kDouble));
            const Tensor y = at::matmul(x, at::arange(3.0, at::kDouble)) + 1;
            return StepSamples{5, [=, this](std::int64_t begin, std::int64_t end, auto) {
                                   const Tensor found = at::matmul(x, weights) + bias;
                                   return (found - y).square().slice(0, begin, end).mean();
                               }};
        };
        recipe.evaluate = [this] { return weights.sum().item<double>(); };
        return recipe;
    }
    void run(std::int64_t all_steps, const TrainingControls& controls = {}) {
        StageOptions options;
        options.steps = all_steps;
        options.batch_size = 5;
        options.learning_rate = 0.05;
        train(recipe(), options, {steps, optimiser, losses}, controls);
    }
};

TrainingControls controls_of(const Ranks& ranks) {
    TrainingControls controls;
    controls.ranks = ranks;
    return controls;
}

TEST(RanksTrain, AsOneDoes) {
    Line one;
    one.run(130);  // beyond the step at which all go on from rank 0's
    for (const std::int64_t count : {2, 3, 7}) {  // of 7, some have no sample
        std::mutex mutex;
        std::map<std::int64_t, Line> lines;
        as_ranks(count, [&](const Ranks& ranks) {
            Line line;
            // What the others begin with does not count.
            if (!is_first(ranks)) line.weights.fill_(9);
            line.run(130, controls_of(ranks));
            EXPECT_EQ(line.losses.before.has_value(), is_first(ranks));
            EXPECT_EQ(line.losses.after.has_value(), is_first(ranks));
            const std::lock_guard lock(mutex);
            lines[ranks.rank] = line;
        });
        for (const auto& [rank, line] : lines) {
            // Gradients travel as float32.
            EXPECT_LT((line.weights - one.weights).abs().max().item<double>(), 1e-5);
            EXPECT_TRUE(at::equal(line.weights, lines[0].weights)) << "the same bits on all";
            for (std::size_t i = 0; i < 130; ++i)
                EXPECT_NEAR(line.losses.training[i], one.losses.training[i], 1e-5);
        }
    }
}

TEST(RanksTrain, StoppedByAnyOfThemTheyGoOnAsAnotherNumber) {
    Line one;
    one.run(20);
    Line first;
    std::atomic<int> stopped = 0;
    as_ranks(3, [&](Ranks ranks) {
        std::stop_source source;
        ranks.stop = source.get_token();
        Line line;
        TrainingControls controls = controls_of(ranks);
        controls.after_step = [&] {
            if (ranks.rank == 2 && line.steps == 6) source.request_stop();
        };
        try {
            line.run(20, controls);
        } catch (const Cancelled&) {
            EXPECT_EQ(line.steps, 7) << "the step after that in which the last rank was asked";
            ++stopped;
        }
        if (is_first(ranks)) first = line;
    });
    EXPECT_EQ(stopped, 3);
    // Copies, as a file would hold them; of rank 0 alone.
    as_ranks(2, [&](const Ranks& ranks) {
        Line line;
        if (is_first(ranks)) {
            line.steps = first.steps;
            line.weights.copy_(first.weights);
            line.bias.copy_(first.bias);
            line.losses = first.losses;
            for (const auto& [name, tensor] : first.optimiser)
                line.optimiser[name] = tensor.clone();
        }
        line.run(20, controls_of(ranks));
        EXPECT_EQ(line.steps, 20);
        EXPECT_LT((line.weights - one.weights).abs().max().item<double>(), 1e-5);
    });
}

TEST(RanksTrain, ALossThatIsNoNumberEndsAll) {
    std::atomic<int> ended = 0;
    as_ranks(2, [&](const Ranks& ranks) {
        Line line;
        if (is_first(ranks)) line.bias.fill_(INFINITY);
        try {
            line.run(3, controls_of(ranks));
        } catch (const Error&) {
            ++ended;
        }
    });
    EXPECT_EQ(ended, 2);
}

// The pairs of a step are compared with those of all ranks, and every gradient is that of one.
class RanksClip : public ::testing::Test {
  protected:
    static LearnedClip fresh() {
        pipeline::ClipConfig config;
        config.text.vocab_size = 40;
        config.text.hidden_size = 16;
        config.text.intermediate_size = 24;
        config.text.num_hidden_layers = 1;
        config.text.num_attention_heads = 2;
        config.text.max_position_embeddings = 9;
        config.image.image_size = 16;
        config.image.patch_size = 8;
        config.image.hidden_size = 16;
        config.image.intermediate_size = 24;
        config.image.num_hidden_layers = 1;
        config.image.num_attention_heads = 2;
        config.projection_dim = 12;
        config.eos_token_id = 2;
        return {fresh_clip(config, 3), 0, {}, {}};
    }
    static LearnedClip train(std::int64_t pairs, std::int64_t batch, const Ranks& ranks) {
        LearnedClip learned = fresh();
        const auto generator = step_generator(2, Stream::imagic_embedding, 0);
        ClipTask task;
        task.pictures = at::randint(256, {pairs, 3, 16, 16}, generator, at::kByte);
        task.rows = at::arange(pairs);
        for (std::int64_t i = 0; i < pairs; ++i)
            task.tokens.push_back({at::randint(40, {1, 9}, generator, at::kLong)});
        ClipOptions options = clip_options();
        options.stage.steps = 6;
        options.stage.batch_size = batch;
        options.schedule.warmup_steps = 0;
        options.schedule.rate = 0.02;
        // So large that a step follows the gradient's size, which Adam else divides out.
        options.stage.adam.eps = 0.1;
        options.max_gradient_norm = 0;
        ClipControls controls;
        controls.ranks = ranks;
        train_clip(task, options, learned, controls);
        return learned;
    }
};

TEST_F(RanksClip, GatheredLossAndGradientsAreThoseOfOne) {
    const LearnedClip one = train(11, 4, {});   // the last batch of a round has 3 pairs
    for (const std::int64_t count : {2, 3, 5})  // of 5, some have no pair
        as_ranks(count, [&](const Ranks& ranks) {
            const LearnedClip learned = train(11, 4, ranks);
            for (std::size_t i = 0; i < 6; ++i)
                EXPECT_NEAR(learned.losses.training[i], one.losses.training[i], 1e-4) << i;
            const TensorMap start = fresh().network.parameters();
            for (const auto& [name, tensor] : learned.network.parameters()) {
                const Tensor& wanted = one.network.parameters().at(name);
                const double moved = (wanted - start.at(name)).norm().item<double>();
                EXPECT_LT((tensor - wanted).norm().item<double>(), 1e-3 * moved + 1e-6) << name;
            }
        });
}

}  // namespace
}  // namespace keepsake::optimize
