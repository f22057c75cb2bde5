// Alpha and dropout of a LoRA that learns: against peft, and a transcription of sd-scripts'
// (tests/goldens/make_learning_goldens.py).
#include <gtest/gtest.h>

#include <limits>

#include "optimize/learn/picture_steps.h"
#include "tests/optimize/learn/tiny_pictures.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::optimize {
namespace {

using testing::expect_losses;
using testing::expect_moved;
using testing::group;
using testing::thrown_message;
using testing::TinyPictures;

const TensorMap& goldens() {
    static const TensorMap all =
        pipeline::read_safetensors(KEEPSAKE_GOLDENS "/lora_options.safetensors");
    return all;
}

PictureOptions with_alpha() {
    PictureOptions options = TinyPictures::lora_options();
    options.lora.rank = 4;
    options.lora.targets = pipeline::LoraTargets::attention;
    options.lora.alpha = 10;
    return options;
}

PictureOptions with_dropout() {
    PictureOptions options = TinyPictures::lora_options();
    options.lora.rank = 2;
    options.lora.targets = pipeline::LoraTargets::all;
    options.lora.alpha = 3;
    options.lora.dropout = 0.3;
    return options;
}

// Prepared for the first step, with the golden's start in what learns.
LearnedPictures started(const TinyPictures& tiny, const PictureOptions& options,
                        const std::string& kind) {
    LearnedPictures learned;
    prepare_learning(tiny.task, options, learned);
    const TensorMap start = group(goldens(), kind + ".start.");
    const TensorMap learns = learning_tensors(learned, options);
    EXPECT_EQ(start.size(), learns.size());
    for (const auto& [name, tensor] : learns) tensor.data().copy_(start.at(name));
    return learned;
}

void expect_ten_steps(const PictureOptions& options, const std::string& kind,
                      const LearnControls& controls = {}) {
    TinyPictures tiny;
    tiny.make_prior();
    LearnedPictures learned = started(tiny, options, kind);
    learn_pictures(tiny.task, options, learned, controls);
    expect_losses(learned.losses, goldens().at(kind + ".losses"));
    const TensorMap before = group(goldens(), kind + ".start.");
    const TensorMap after = learning_tensors(learned, options);
    for (const auto& [name, wanted] : group(goldens(), kind + ".after."))
        expect_moved(before.at(name), after.at(name), wanted, name);
}

TEST(LoraOptions, TenStepsWithAlphaAreTheReferences) {
    expect_ten_steps(with_alpha(), "alpha");
}

TEST(LoraOptions, TenStepsWithDropoutAreTheReferences) {
    expect_ten_steps(with_dropout(), "dropout");
}

// Blocks that are computed again leave out the same.
TEST(LoraOptions, TenStepsWithDropoutRecomputedAreTheReferences) {
    LearnControls controls;
    controls.checkpointing = Checkpointing::on;
    expect_ten_steps(with_dropout(), "dropout", controls);
}

TEST(LoraOptions, DropoutIsTheSameInWhateverParts) {
    TinyPictures tiny;
    tiny.make_prior();
    const PictureOptions options = with_dropout();
    LearnedPictures learned = started(tiny, options, "dropout");
    PictureSteps steps(tiny.task, options, learned);
    const auto loss = [&](std::int64_t step, std::int64_t begin, std::int64_t end) {
        return steps.draw(step).loss(begin, end, pipeline::Activations::kept).item<double>() *
               static_cast<double>(end - begin);
    };
    // A part across the batch of the class.
    EXPECT_NEAR(loss(0, 0, 1) + loss(0, 1, 3) + loss(0, 3, 4), loss(0, 0, 4), 1e-5);
}

TEST(LoraOptions, EvaluatesWithoutDropout) {
    TinyPictures tiny;
    PictureOptions options = with_dropout();
    options.stage.steps = 2;
    LearnedPictures dropped = started(tiny, options, "dropout");
    learn_pictures(tiny.task, options, dropped);
    options.lora.dropout = 0;
    LearnedPictures without;
    prepare_learning(tiny.task, options, without);
    const TensorMap now = learning_tensors(dropped, options);
    for (const auto& [name, tensor] : learning_tensors(without, options))
        tensor.data().copy_(now.at(name));
    EXPECT_EQ(*dropped.losses.after, evaluate_pictures(tiny.task, without));
}

TEST(LoraOptions, WhatCannotBeIsNamed) {
    TinyPictures tiny;
    const auto refused = [&](const auto& change) {
        PictureOptions options = TinyPictures::lora_options();
        change(options.lora);
        LearnedPictures learned;
        return thrown_message<Error>([&] { learn_pictures(tiny.task, options, learned); });
    };
    const auto alpha = [&](double value) {
        return refused([&](pipeline::LoraOptions& lora) { lora.alpha = value; });
    };
    const auto dropout = [&](double value) {
        return refused([&](pipeline::LoraOptions& lora) { lora.dropout = value; });
    };
    EXPECT_EQ(alpha(0), "LoRA alpha: 0 is not a positive number");
    EXPECT_EQ(alpha(std::numeric_limits<double>::infinity()),
              "LoRA alpha: inf is not a positive number");
    EXPECT_EQ(dropout(1), "LoRA dropout: 1 is not from 0 to below 1");
    EXPECT_EQ(dropout(-0.1), "LoRA dropout: -0.1 is not from 0 to below 1");
}

}  // namespace
}  // namespace keepsake::optimize
