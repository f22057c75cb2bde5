// The recipes of distillation on a tiny network of real classes: what a student starts as, what its
// teacher says, and that a training that was stopped goes on with the same numbers.
#include "optimize/distil/students.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::optimize {
namespace {

using pipeline::PredictionType;
using pipeline::Schedule;
using pipeline::ScheduleConfig;
using pipeline::TensorMap;
using pipeline::UNet;

at::Generator seeded(std::uint64_t seed) {
    return at::detail::createCPUGenerator(seed);
}

Tensor randn(at::IntArrayRef shape, std::uint64_t seed) {
    return at::randn(shape, seeded(seed), at::TensorOptions(at::kFloat));
}

// The network of the Imagic goldens (tests/goldens/make_imagic_goldens.py).
UNet tiny_unet() {
    TensorMap weights;
    for (const auto& [name, tensor] :
         pipeline::read_safetensors(KEEPSAKE_GOLDENS "/imagic_v_prediction.safetensors")) {
        if (name.starts_with("unet.")) weights[name.substr(5)] = tensor;
    }
    pipeline::UNetConfig config;
    config.in_channels = config.out_channels = 8;
    config.use_linear_projection = true;
    config.sample_size = 8;
    config.block_out_channels = {16, 32};
    config.down_attention = {false, true};
    config.up_attention = {true, false};
    config.layers_per_block = 1;
    config.num_heads = {2, 4};
    config.cross_attention_dim = 16;
    config.norm_num_groups = 8;
    return UNet(config, pipeline::Weights::from_tensors(weights, "tiny"));
}

class Students : public testing::Test {
  protected:
    DistilTask task(const UNet& teacher, GuidanceRange guidance) const {
        return {teacher, schedule, set, guidance, 11};
    }
    StageOptions options(std::int64_t steps) const {
        StageOptions o = progressive_options();
        o.steps = steps;
        o.learning_rate = 2e-3;
        o.batch_size = 8;
        return o;
    }
    // Trains from the start up to `until` of the options' steps.
    StageLosses learn(const TrainingRecipe& recipe, const StageOptions& o) const {
        std::int64_t done = 0;
        TensorMap optimiser;
        StageLosses losses;
        train(recipe, o, {done, optimiser, losses});
        return losses;
    }

    const UNet unet = tiny_unet();
    const Schedule schedule{ScheduleConfig::stable_diffusion(PredictionType::v_prediction)};
    const DistilSet set{randn({6, 8, 4, 4}, 1), randn({6, 5, 16}, 2), randn({1, 5, 16}, 3)};
};

TEST_F(Students, AStudentOfGuidanceStartsAsItsTeacher) {
    const at::NoGradGuard no_grad;
    const UNet student = with_guidance_input(unet, 16);
    EXPECT_EQ(student.config().time_cond_proj_dim, 16);
    const Tensor z = randn({2, 8, 4, 4}, 4), t = at::tensor({20.0f, 900.0f});
    const Tensor cond = set.embeddings.slice(0, 0, 2);
    EXPECT_TRUE(at::allclose(student.guided_by(at::tensor({0.0f, 7.0f}))(z, t, cond),
                             unet(z, t, cond), 1e-5, 1e-6));
    // Its own weights, and of one that takes guidance already a copy.
    student.parameters().at("conv_in.bias").add_(1);
    EXPECT_FALSE(at::allclose(student(z, t, cond), unet(z, t, cond)));
    EXPECT_EQ(with_guidance_input(student, 8).config().time_cond_proj_dim, 16);
}

TEST_F(Students, TeachersAreGuidedByASecondCallOrTold) {
    const at::NoGradGuard no_grad;
    const Tensor z = randn({2, 8, 4, 4}, 4);
    const Tensor t = at::tensor({std::int64_t{20}, std::int64_t{900}});
    const Tensor cond = set.embeddings.slice(0, 0, 2), w = at::tensor({2.0f, 5.0f});
    const Tensor with = unet(z, t, cond), without = unet(z, t, set.uncond.expand({2, -1, -1}));
    const Tensor wanted = with + w.view({2, 1, 1, 1}) * (with - without);
    EXPECT_TRUE(at::allclose(guided_output(unet, z, t, cond, set.uncond, w), wanted, 1e-4, 1e-4));
    EXPECT_TRUE(at::allclose(guided_output(unet, z, t, cond, set.uncond, at::zeros({2})), with,
                             1e-5, 1e-6));
    const UNet told = with_guidance_input(unet, 16);
    told.parameters().at("time_embedding.cond_proj.weight").copy_(randn({16, 16}, 5));
    EXPECT_TRUE(at::allclose(guided_output(told, z, t, cond, {}, w), told.guided_by(w)(z, t, cond),
                             1e-5, 1e-6));
}

TEST_F(Students, TheTeacherStaysAsItIs) {
    TensorMap before;
    for (const auto& [name, tensor] : unet.parameters()) before[name] = tensor.clone();
    const UNet student = unet.clone();
    const StageOptions o = options(2);
    learn(progressive_recipe(task(unet, {3, 3}), student, 4, o), o);
    for (const auto& [name, tensor] : unet.parameters()) {
        EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
    }
    EXPECT_FALSE(at::equal(student.parameters().at("conv_in.bias"), before.at("conv_in.bias")));
}

TEST_F(Students, AStoppedTrainingGoesOnWithTheSameNumbers) {
    const StageOptions o = options(6);
    const auto run = [&](std::optional<std::int64_t> stop) {
        const UNet student = unet.clone();
        const TrainingRecipe recipe = progressive_recipe(task(unet, {3, 3}), student, 4, o);
        std::int64_t done = 0;
        TensorMap optimiser;
        StageLosses losses;
        if (stop) {
            TrainingControls controls;
            controls.after_step = [&] {
                if (done == *stop) throw Cancelled();
            };
            EXPECT_THROW(train(recipe, o, {done, optimiser, losses}, controls), Cancelled);
            EXPECT_EQ(done, *stop);
        }
        train(recipe, o, {done, optimiser, losses});
        return losses.training;
    };
    EXPECT_EQ(run(3), run(std::nullopt));
}

TEST_F(Students, PairsSayWhichPictureIsSeenWithWhichText) {
    const auto before = [&](const DistilSet& pictures) {
        const DistilTask with{unet, schedule, pictures, {3, 3}, 11};
        return progressive_recipe(with, unet, 4, options(1)).evaluate();
    };
    const auto numbers = [](std::vector<std::int64_t> values) {
        return at::tensor(values, at::TensorOptions(at::kLong)).view({-1, 2});
    };
    DistilSet paired = set;
    paired.pairs = numbers({0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5});
    EXPECT_EQ(before(paired), before(set));
    // The same as a set in which each picture stands beside its text.
    paired.pairs = numbers({0, 2, 3, 2, 5, 0, 0, 1});
    const auto rows = [](const Tensor& all, const std::vector<std::int64_t>& which) {
        return all.index_select(0, at::tensor(which, at::TensorOptions(at::kLong)));
    };
    const DistilSet spread{rows(set.latents, {0, 3, 5, 0}), rows(set.embeddings, {2, 2, 0, 1}),
                           set.uncond};
    EXPECT_EQ(before(paired), before(spread));
    EXPECT_NE(before(paired), before(set));
}

TEST_F(Students, AnLcmLoraStartsAsItsTeacherOnEveryLayerOfTheScripts) {
    const at::NoGradGuard no_grad;
    const pipeline::LoraSet loras = start_consistency_loras(unet, 3, seeded(7));
    EXPECT_EQ(loras.size(), consistency_layers(unet).size());
    const pipeline::Lora& time = loras.at("mid_block.resnets.1.time_emb_proj");
    EXPECT_EQ(time.down.size(0), 3);
    EXPECT_LE(time.down.abs().max().item<double>(), 1 / std::sqrt(64.0));
    const UNet student = pipeline::with_loras(unet, loras);
    const Tensor z = randn({1, 8, 4, 4}, 4), t = at::tensor({500.0f});
    const Tensor cond = set.embeddings.slice(0, 0, 1), before = student(z, t, cond);
    EXPECT_TRUE(at::allclose(before, unet(z, t, cond), 1e-5, 1e-6));
    // What a resnet adds for a timestep is kept from call to call, until it is written.
    time.up.copy_(randn({32, 3}, 8));
    EXPECT_FALSE(at::allclose(student(z, t, cond), before, 1e-3, 1e-3));
    EXPECT_THROW(start_consistency_loras(unet, 0, seeded(7)), Error);
}

// What an LCM of all weights runs after is its own average, and nothing else of it changes.
TEST_F(Students, TheTargetOfAllWeightsIsTheAverages) {
    const UNet student = with_guidance_input(unet, 16), average = student.clone();
    const StageOptions o = options(2);
    const TrainingRecipe recipe = consistency_recipe(task(unet, {2, 6}), student, average, o);
    EXPECT_EQ(recipe.learns.size(), student.parameters().size());
    const double same = recipe.evaluate();
    average.parameters().at("conv_out.bias").add_(0.5);
    EXPECT_NE(recipe.evaluate(), same);
    TensorMap before;
    for (const auto& [name, tensor] : average.parameters()) before[name] = tensor.clone();
    learn(recipe, o);
    for (const auto& [name, tensor] : average.parameters()) {
        EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
        EXPECT_FALSE(tensor.requires_grad()) << name;
    }
}

// tests/goldens/make_consistency_goldens.py: diffusers' script by diffusers' U-Net and torch.
TEST_F(Students, ThreeStepsOfAnLcmLoraAreTheScripts) {
    const TensorMap golden =
        pipeline::read_safetensors(KEEPSAKE_GOLDENS "/consistency_steps.safetensors");
    TensorMap start;
    for (const auto& [name, tensor] : golden)
        if (name.starts_with("start.")) start[name.substr(6)] = tensor.clone();
    const pipeline::LoraSet loras = pipeline::loras_from_tensors(start, "golden");
    EXPECT_EQ(loras.size(), consistency_layers(unet).size());
    const UNet student = pipeline::with_loras(unet, loras);
    StageOptions o = consistency_options();
    o.steps = 3;
    o.learning_rate = 1e-3;
    o.batch_size = 8;
    const StageLosses losses = learn(consistency_recipe(task(unet, {2, 6}), student, loras, o), o);
    ASSERT_EQ(losses.training.size(), 3u);
    for (std::int64_t i = 0; i < 3; ++i) {
        const double wanted = golden.at("losses")[i].item<double>();
        EXPECT_NEAR(losses.training[static_cast<std::size_t>(i)] / wanted, 1, 1e-4) << i;
    }
    // Adam's first steps are of the rate's size whatever the gradient, so that one of a gradient
    // about 0 may go either way: what moved is judged as a whole.
    double off = 0, moved = 0;
    for (const auto& [name, tensor] : pipeline::lora_tensors(loras)) {
        const Tensor wanted = golden.at("after." + name);
        off += (tensor - wanted).square().sum().item<double>();
        moved += (wanted - golden.at("start." + name)).square().sum().item<double>();
    }
    const std::string resnet = "mid_block.resnets.0.time_emb_proj.lora_up.weight";
    EXPECT_GT(
        (golden.at("after." + resnet) - golden.at("start." + resnet)).abs().max().item<double>(),
        1e-4);
    EXPECT_GT(moved, 1e-3);
    EXPECT_LT(std::sqrt(off / moved), 1e-2);
}

TEST_F(Students, WhatCannotLearnIsNamed) {
    const auto error_of = [](const auto& make) {
        try {
            make();
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    const StageOptions o = options(2);
    EXPECT_EQ(error_of([&] { guidance_recipe(task(unet, {}), unet, o); }),
              "student: has no input for guidance (time_cond_proj_dim)");
    EXPECT_NE(
        error_of([&] { progressive_recipe(task(unet, {}), unet, 501, o); }).find("steps: 501"),
        std::string::npos);
    const DistilSet none{at::zeros({0, 8, 4, 4}), at::zeros({0, 5, 16}), set.uncond};
    const DistilTask empty{unet, schedule, none, {}, 0};
    EXPECT_EQ(error_of([&] { progressive_recipe(empty, unet, 4, o); }),
              "pictures: there are none to learn from");
}

}  // namespace
}  // namespace keepsake::optimize
