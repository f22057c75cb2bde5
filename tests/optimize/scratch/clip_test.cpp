// CLIP beside transformers (tests/goldens/make_scratch_goldens.py): features, logits, loss and
// every gradient of a tiny one with both activations, and three steps of its training.
#include "optimize/scratch/clip.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/optimize/scratch/scratch_golden.h"

namespace keepsake::optimize {
namespace {

constexpr std::uint64_t seed = 5;

class ScratchClip : public ScratchGolden {
  protected:
    ScratchClip() : ScratchGolden("clip.safetensors") {}
    static pipeline::ClipConfig config(const std::string& activation, std::int64_t eos) {
        pipeline::ClipConfig config;
        config.text.vocab_size = 40;
        config.text.hidden_size = 16;
        config.text.intermediate_size = 24;
        config.text.num_hidden_layers = 2;
        config.text.num_attention_heads = 2;
        config.text.max_position_embeddings = 9;
        config.text.hidden_act = config.image.hidden_act = activation;
        config.image.image_size = 24;
        config.image.patch_size = 8;
        config.image.hidden_size = 16;
        config.image.intermediate_size = 32;
        config.image.num_hidden_layers = 2;
        config.image.num_attention_heads = 2;
        config.projection_dim = 12;
        config.eos_token_id = eos;
        return config;
    }
    pipeline::ClipNetwork network(const std::string& activation, std::int64_t eos) const {
        TensorMap tensors;
        for (const auto& [name, tensor] : goldens)
            if (name.starts_with("weights.")) tensors[name.substr(8)] = tensor.clone();
        return {config(activation, eos), std::move(tensors)};
    }
    ClipTask four_pairs() const {
        ClipTask task;
        task.pictures = golden("steps.pixels");
        task.rows = at::arange(4);
        for (std::int64_t i = 0; i < 4; ++i)
            task.tokens.push_back({golden("ids").slice(0, i, i + 1)});
        return task;
    }
    void expect_near(const Tensor& found, const std::string& name, double bar) const {
        // That of a key's bias is 0 but for rounding: it adds the same to all places of an
        // attention. What rounding leaves depends on the processor; the others are some 0.1.
        ScratchGolden::expect_near(found, name, bar, name.ends_with("k_proj.bias") ? 1e-2 : 1e-3);
    }
};

TEST_F(ScratchClip, FeaturesLossAndEveryGradientAreTransformers) {
    const std::vector<std::pair<std::string, std::int64_t>> kinds = {{"quick_gelu", 2},
                                                                     {"gelu", 39}};
    for (const auto& [activation, eos] : kinds) {
        SCOPED_TRACE(activation);
        const pipeline::ClipNetwork clip = network(activation, eos);
        for (const auto& [name, tensor] : clip.parameters()) tensor.set_requires_grad(true);
        const Tensor image = clip.image_features(golden("pictures"));
        const Tensor text = clip.text_features(golden("ids"));
        expect_near(pipeline::normalised(image), activation + ":image_features", 1e-5);
        expect_near(pipeline::normalised(text), activation + ":text_features", 1e-5);
        const Tensor logits = clip.logit_scale().exp() * at::matmul(pipeline::normalised(image),
                                                                    pipeline::normalised(text).t());
        expect_near(logits, activation + ":logits", 1e-5);
        const Tensor loss = contrastive_loss(image, text, clip.logit_scale());
        expect_near(loss, activation + ":loss", 1e-5);
        loss.backward();
        std::size_t compared = 0;
        for (const auto& [name, tensor] : clip.parameters()) {
            expect_near(tensor.grad(), activation + ":gradient." + name, 1e-4);
            ++compared;
        }
        EXPECT_EQ(compared, 2u * (2 + 16 * 2 + 2) + 3 + 3) << "every tensor of both encoders";
    }
}

TEST_F(ScratchClip, AnotherActivationIsAnotherNetwork) {
    const at::NoGradGuard no_grad;
    const Tensor image = network("quick_gelu", 2).image_features(golden("pictures"));
    const Tensor found = pipeline::normalised(image);
    EXPECT_GT((found - golden("gelu:image_features")).abs().max().item<double>(), 1e-3);
}

TEST_F(ScratchClip, ThreeStepsAreThoseOfTransformersAndTorch) {
    ClipOptions options = clip_options();
    options.stage.steps = 3;
    options.stage.batch_size = 4;
    options.schedule = {};
    options.schedule.rate = 3e-2;
    options.weight_decay = 0.3;
    ClipTask task = four_pairs();
    task.seed = seed;
    // The goldens' three steps go on from the network with exact GELU.
    LearnedClip learned{network("gelu", 39), 0, {}, {}};
    train_clip(task, options, learned);
    for (std::int64_t i = 0; i < 3; ++i)
        EXPECT_NEAR(learned.losses.training[static_cast<std::size_t>(i)],
                    golden("steps.losses")[i].item<double>(), 2e-4);
    for (const auto& [name, tensor] : learned.network.parameters())
        if (goldens.contains("steps.after." + name))
            expect_near(tensor, "steps.after." + name, 5e-3);
    // Stopped after two and gone on with, they are the same.
    LearnedClip parts{network("gelu", 39), 0, {}, {}};
    StopsAfterTwo stops;
    ClipControls controls;
    controls.monitor = &stops.monitor;
    EXPECT_THROW(train_clip(task, options, parts, controls), Cancelled);
    train_clip(task, options, parts);
    for (const auto& [name, tensor] : learned.network.parameters())
        EXPECT_TRUE(at::equal(tensor, parts.network.parameters().at(name))) << name;
}

TEST_F(ScratchClip, FromNothingItLearnsWhichTextBelongsToWhichPicture) {
    ClipOptions options = clip_options();
    options.stage.steps = 120;
    options.stage.batch_size = 4;
    options.schedule.rate = 2e-3;
    options.schedule.warmup_steps = 10;
    const ClipTask task = four_pairs();
    LearnedClip learned{fresh_clip(config("gelu", 39), 3), 0, {}, {}};
    EXPECT_NEAR(learned.network.logit_scale().item<double>(), std::log(1 / 0.07), 1e-6);
    train_clip(task, options, learned);
    EXPECT_LT(learned.losses.training.back(), 0.1);
    EXPECT_GT(learned.losses.training.front(), 0.5);
    const at::NoGradGuard no_grad;
    const Tensor logits = at::matmul(
        pipeline::normalised(
            learned.network.image_features(clip_values(task.pictures, task.preprocessing))),
        pipeline::normalised(learned.network.text_features(golden("ids"))).t());
    EXPECT_TRUE(at::equal(logits.argmax(1), at::arange(4)));
    EXPECT_LE(learned.network.logit_scale().item<double>(), most_logit_scale);
}

TEST_F(ScratchClip, WhatDoesNotFitIsTold) {
    ClipTask task = four_pairs();
    task.rows = at::arange(1);
    LearnedClip learned{fresh_clip(config("gelu", 39), 3), 0, {}, {}};
    EXPECT_THROW(train_clip(task, clip_options(), learned), Error);
    task = four_pairs();
    task.tokens.pop_back();
    EXPECT_THROW(train_clip(task, clip_options(), learned), Error);
    EXPECT_THROW(learned.network.image_features(at::zeros({1, 3, 24, 25})), Error);
    TensorMap without;
    for (const auto& [name, tensor] : learned.network.parameters())
        if (!name.starts_with("vision_model.")) without[name] = tensor;
    try {
        const pipeline::ClipNetwork half(config("gelu", 39), without, "half.safetensors");
        ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "half.safetensors: has no image encoder (vision_model)");
    }
}

}  // namespace
}  // namespace keepsake::optimize
