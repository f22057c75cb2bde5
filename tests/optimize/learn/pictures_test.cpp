// Learning from pictures against diffusers' U-Net, transformers' text encoder and torch:
// tests/goldens/make_learning_goldens.py.
#include "optimize/learn/pictures.h"

#include <gtest/gtest.h>

#include "optimize/training/rounds.h"
#include "optimize/training/streams.h"
#include "tests/optimize/learn/tiny_pictures.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::optimize {
namespace {

using testing::expect_losses;
using testing::expect_moved;
using testing::group;
using testing::thrown_message;
using testing::TinyPictures;

TEST(LearnPictures, TenStepsOfALoraWithPriorAreTheReferences) {
    TinyPictures f;
    f.make_prior();
    LearnedPictures learned = f.with_golden_loras();
    learn_pictures(f.task, f.lora_options(), learned);
    expect_losses(learned.losses, f.golden.at("lora.losses"));
    const TensorMap before = group(f.golden, "lora.");
    const TensorMap after = learning_tensors(learned, f.lora_options());
    std::size_t compared = 0;
    for (const auto& [name, wanted] : group(f.golden, "lora_after.")) {
        expect_moved(before.at(name), after.at(name), wanted, name);
        ++compared;
    }
    EXPECT_EQ(compared, after.size());
}

TEST(LearnPictures, ThreeStepsOfAllWeightsAreTheReferences) {
    TinyPictures f;
    LearnedPictures learned;
    learn_pictures(f.task, f.caption_options(), learned);
    expect_losses(learned.losses, f.golden.at("all.losses"));
    for (const auto& [name, wanted] : group(f.golden, "all_after."))
        expect_moved(f.unet.parameters().at(name), learned.unet->parameters().at(name), wanted,
                     name);
}

// Copies, as a file would hold them.
TensorMap copies(const TensorMap& tensors) {
    TensorMap result;
    for (const auto& [name, tensor] : tensors) result[name] = tensor.detach().clone();
    return result;
}

void expect_same(const LearnedPictures& a, const LearnedPictures& b,
                 const PictureOptions& options) {
    const TensorMap of_a = learning_tensors(a, options), of_b = learning_tensors(b, options);
    ASSERT_EQ(of_a.size(), of_b.size());
    for (const auto& [name, tensor] : of_a) EXPECT_TRUE(at::equal(tensor, of_b.at(name))) << name;
    for (const auto& [name, tensor] : a.averages)
        EXPECT_TRUE(at::equal(tensor, b.averages.at(name))) << name;
    EXPECT_EQ(a.losses.training, b.losses.training);
}

// Stopped after `step` and gone on with from copies, as from a file.
void expect_resumes(const PictureTask& task, const PictureOptions& options, std::int64_t step) {
    LearnedPictures whole;
    learn_pictures(task, options, whole);
    LearnedPictures stopped;
    LearnControls controls;
    std::stop_source stop;
    Monitor monitor([](const Progress&) {}, stop.get_token());
    controls.monitor = &monitor;
    controls.after_step = [&] {
        if (stopped.steps == step) stop.request_stop();
    };
    EXPECT_THROW(learn_pictures(task, options, stopped, controls), Cancelled);
    EXPECT_EQ(stopped.steps, step);

    LearnedPictures resumed;
    prepare_learning(task, options, resumed);
    const TensorMap saved = copies(learning_tensors(stopped, options));
    for (const auto& [name, tensor] : learning_tensors(resumed, options))
        tensor.data().copy_(saved.at(name));
    resumed.steps = stopped.steps;
    resumed.optimiser = copies(stopped.optimiser);
    resumed.averages = copies(stopped.averages);
    resumed.losses = stopped.losses;
    learn_pictures(task, options, resumed);
    expect_same(whole, resumed, options);
    EXPECT_EQ(whole.losses.after, resumed.losses.after);
}

TEST(LearnPictures, GoesOnWithTheSameNumbers) {
    TinyPictures f;
    PictureOptions options = f.caption_options();
    options.stage.steps = 7;
    options.ema.emplace();
    options.stage.draws = Draws::stratified;
    expect_resumes(f.task, options, 4);
    f.make_prior();
    PictureOptions loras = f.lora_options();
    loras.lora.rank = 2;
    expect_resumes(f.task, loras, 3);
    loras.lora.alpha = 1;
    loras.lora.dropout = 0.4;
    expect_resumes(f.task, loras, 3);
}

TEST(LearnPictures, WhatWasPretrainedStaysAndStartsTheSame) {
    TinyPictures f;
    const TensorMap unet = copies(f.unet.parameters()), text = copies(f.text.parameters());
    for (const bool all : {false, true}) {
        PictureOptions options = f.lora_options();
        options.all_weights = all;
        options.stage.steps = 2;
        LearnedPictures learned;
        prepare_learning(f.task, options, learned);
        const double before = evaluate_pictures(f.task, {});
        EXPECT_NEAR(evaluate_pictures(f.task, learned), before, 1e-6);
        learn_pictures(f.task, options, learned);
        EXPECT_NE(evaluate_pictures(f.task, learned), before);
        for (const auto& [name, tensor] : unet)
            EXPECT_TRUE(at::equal(tensor, f.unet.parameters().at(name))) << name;
        for (const auto& [name, tensor] : text)
            EXPECT_TRUE(at::equal(tensor, f.text.parameters().at(name))) << name;
    }
}

TEST(LearnPictures, EvaluatesOnTheWay) {
    TinyPictures f;
    PictureOptions options = f.caption_options();
    options.stage.steps = 5;
    LearnedPictures learned;
    LearnControls controls;
    controls.evaluate_every = 2;
    int calls = 0;
    controls.after_evaluation = [&] { ++calls; };
    learn_pictures(f.task, options, learned, controls);
    EXPECT_EQ(calls, 2);
    ASSERT_EQ(learned.evaluations.size(), 2u);
    EXPECT_EQ(learned.evaluations[1].step, 4);
    EXPECT_NE(learned.evaluations[0].loss, learned.evaluations[1].loss);
}

TEST(LearnPictures, WhatCannotBeLearnedIsNamed) {
    TinyPictures f;
    LearnedPictures learned;
    const auto refused = [&](const PictureOptions& options) {
        return thrown_message<Error>([&] { learn_pictures(f.task, options, learned); });
    };
    PictureOptions options = f.lora_options();
    options.lora.rank = 0;
    EXPECT_EQ(refused(options), "LoRA rank: 0 is not positive");
    options = f.lora_options();
    options.caption_dropout = 2;
    EXPECT_EQ(refused(options), "caption dropout: is not between 0 and 1");
    f.task.pictures[0].captions.clear();
    EXPECT_EQ(refused(f.lora_options()), "picture: has no caption");
    f.task.pictures.clear();
    EXPECT_EQ(refused(f.lora_options()), "pictures: there are none to learn from");
}

TEST(Rounds, EachPictureAsOftenAsItIsRepeated) {
    Rounds rounds({{0, 1, 1, 2}, {}, {3, 4, 4}}, 2, 7, streams::picture_order);
    EXPECT_EQ(rounds.batches(), 4);
    std::vector<std::vector<std::int64_t>> orders;
    for (std::int64_t round = 0; round < 3; ++round) {
        std::map<std::int64_t, int> counts;
        orders.emplace_back();
        for (std::int64_t i = 0; i < 4; ++i) {
            const auto batch = rounds.batch(4 * round + i);
            EXPECT_EQ(batch.front() < 3, batch.back() < 3) << "a batch of two groups";
            for (const std::int64_t picture : batch) {
                ++counts[picture];
                orders.back().push_back(picture);
            }
        }
        EXPECT_EQ(counts, (std::map<std::int64_t, int>{{0, 1}, {1, 2}, {2, 1}, {3, 1}, {4, 2}}));
    }
    EXPECT_NE(orders[0], orders[1]);
    // Any of them by itself.
    Rounds again({{0, 1, 1, 2}, {}, {3, 4, 4}}, 2, 7, streams::picture_order);
    const auto late = again.batch(9);
    EXPECT_EQ(late, rounds.batch(9));
    EXPECT_THROW(Rounds({{}}, 2, 7, streams::picture_order), Error);
    EXPECT_THROW(Rounds({{1}}, 0, 7, streams::picture_order), Error);
}

}  // namespace
}  // namespace keepsake::optimize
