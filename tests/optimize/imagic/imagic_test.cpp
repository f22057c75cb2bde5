// Imagic against diffusers' U-Net and torch.optim.Adam: tests/goldens/make_imagic_goldens.py.
#include "optimize/imagic/imagic.h"

#include <gtest/gtest.h>

#include "pipeline/files/safetensors.h"
#include "tests/pipeline/compute/memory_use.h"

namespace keepsake::optimize {
namespace {

using pipeline::PredictionType;
using pipeline::Schedule;
using pipeline::ScheduleConfig;
using pipeline::UNet;
using pipeline::UNetConfig;
using pipeline::Weights;

TensorMap with_prefix(const TensorMap& all, const std::string& prefix) {
    TensorMap some;
    for (const auto& [name, tensor] : all) {
        if (name.starts_with(prefix)) some[name.substr(prefix.size())] = tensor.clone();
    }
    return some;
}

// What one golden file holds, as the classes that use it.
struct Fixture {
    TensorMap golden;
    Schedule schedule;
    UNet unet;
    TuningTask task;
    StageOptions embedding;
    StageOptions finetune;

    explicit Fixture(const std::string& prediction_type)
        : golden(pipeline::read_safetensors(KEEPSAKE_GOLDENS "/imagic_" + prediction_type +
                                            ".safetensors")),
          schedule(schedule_config(prediction_type)),
          unet(unet_config(prediction_type),
               Weights::from_tensors(with_prefix(golden, "unet."), "tiny")),
          task{unet, schedule, golden.at("latents"), 42} {
        embedding.steps = 12;
        embedding.learning_rate = 5e-3;
        embedding.batch_size = 2;
        finetune.steps = 8;
        finetune.learning_rate = 1e-4;
    }

    static ScheduleConfig schedule_config(const std::string& prediction_type) {
        ScheduleConfig config = ScheduleConfig::stable_diffusion(
            prediction_type == "epsilon" ? PredictionType::epsilon : PredictionType::v_prediction);
        config.beta_end = 0.02;
        return config;
    }
    static UNetConfig unet_config(const std::string& prediction_type) {
        UNetConfig config;
        config.in_channels = config.out_channels = prediction_type == "epsilon" ? 4 : 8;
        config.use_linear_projection = prediction_type != "epsilon";
        config.sample_size = 8;
        config.block_out_channels = {16, 32};
        config.down_attention = {false, true};
        config.up_attention = {true, false};
        config.layers_per_block = 1;
        config.num_heads = {2, 4};
        config.cross_attention_dim = 16;
        config.norm_num_groups = 8;
        return config;
    }

    Tuning start() const {
        Tuning tuning;
        tuning.target_embedding = golden.at("target_embedding").clone();
        return tuning;
    }
    Tuning finished(Checkpointing checkpointing = Checkpointing::off) const {
        StageControls controls;
        controls.checkpointing = checkpointing;
        Tuning tuning = start();
        optimise_embedding(task, embedding, tuning, controls);
        fine_tune(task, finetune, tuning, controls);
        return tuning;
    }
};

double relative(const Tensor& found, const Tensor& wanted) {
    return (found - wanted).abs().max().item<double>() / wanted.abs().max().item<double>();
}

class Imagic : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Predictions, Imagic, ::testing::Values("epsilon", "v_prediction"));

TEST_P(Imagic, BothStagesFollowTheReference) {
    const Fixture f(GetParam());
    const Tuning tuning = f.finished();

    EXPECT_LT(relative(tuning.optimised_embedding, f.golden.at("optimised_embedding")), 1e-4);
    EXPECT_GT(relative(tuning.optimised_embedding, f.golden.at("target_embedding")), 1e-2);
    const TensorMap before = with_prefix(f.golden, "unet.");
    for (const auto& [name, wanted] : with_prefix(f.golden, "tuned.")) {
        // Adam divides by the gradient's own size, so a weight with next to no gradient may move
        // anyhow; the bound is on a tensor's whole movement.
        const Tensor error = tuning.unet->parameters().at(name) - wanted;
        const Tensor movement = wanted - before.at(name);
        EXPECT_LT(error.norm().item<double>(), 1e-2 * movement.norm().item<double>()) << name;
        EXPECT_FALSE(at::equal(wanted, before.at(name))) << name << " did not learn";
    }
    const auto expect_losses = [&](const std::vector<double>& found, const Tensor& wanted) {
        ASSERT_EQ(static_cast<std::int64_t>(found.size()), wanted.size(0));
        for (std::size_t i = 0; i < found.size(); ++i) {
            EXPECT_NEAR(found[i] / wanted[static_cast<std::int64_t>(i)].item<double>(), 1, 1e-4);
        }
    };
    expect_losses(tuning.embedding_losses.training, f.golden.at("losses_a"));
    expect_losses(tuning.finetune_losses.training, f.golden.at("losses_b"));
    const Tensor evaluations = f.golden.at("evaluations");
    EXPECT_NEAR(*tuning.embedding_losses.before / evaluations[0].item<double>(), 1, 1e-4);
    EXPECT_NEAR(*tuning.embedding_losses.after / evaluations[1].item<double>(), 1, 1e-4);
    EXPECT_NEAR(*tuning.finetune_losses.before / evaluations[1].item<double>(), 1, 1e-4);
    EXPECT_NEAR(*tuning.finetune_losses.after / evaluations[2].item<double>(), 1, 1e-4);
}

TEST_P(Imagic, ThePretrainedNetworkIsNotTouched) {
    const Fixture f(GetParam());
    f.finished();
    for (const auto& [name, wanted] : with_prefix(f.golden, "unet.")) {
        EXPECT_TRUE(at::equal(f.unet.parameters().at(name), wanted)) << name;
        EXPECT_FALSE(f.unet.parameters().at(name).requires_grad()) << name;
    }
}

// A tuning as a session stores it: copies of the tensors, nothing shared with the run that went on.
Tuning stored(const Tuning& tuning, const UNetConfig& config) {
    const auto copy = [](const TensorMap& tensors) {
        TensorMap copies;
        for (const auto& [name, tensor] : tensors) copies[name] = tensor.detach().clone();
        return copies;
    };
    Tuning out = tuning;
    out.optimised_embedding = tuning.optimised_embedding.detach().clone();
    out.adam = copy(tuning.adam);
    if (tuning.unet)
        out.unet.emplace(config, Weights::from_tensors(copy(tuning.unet->parameters())));
    return out;
}

// Stops a run after `stop_at` steps in all, goes on from what a session would have stored.
Tuning stopped_and_resumed(const Fixture& f, std::int64_t stop_at,
                           Checkpointing checkpointing = Checkpointing::off) {
    std::stop_source stop;
    Monitor monitor({}, stop.get_token());
    Tuning saved;
    std::int64_t steps = 0;
    StageControls controls{&monitor, [&](const Tuning& tuning) {
                               if (++steps == stop_at) {
                                   saved = stored(tuning, f.unet.config());
                                   stop.request_stop();
                               }
                           }};
    controls.checkpointing = checkpointing;
    Tuning tuning = f.start();
    EXPECT_THROW(
        {
            optimise_embedding(f.task, f.embedding, tuning, controls);
            fine_tune(f.task, f.finetune, tuning, controls);
        },
        Cancelled);
    EXPECT_EQ(steps, stop_at);
    controls = {};
    controls.checkpointing = checkpointing;
    optimise_embedding(f.task, f.embedding, saved, controls);
    fine_tune(f.task, f.finetune, saved, controls);
    return saved;
}

TEST_P(Imagic, StoppedAndResumedGivesTheSameWeights) {
    const Fixture f(GetParam());
    const Tuning whole = f.finished();
    for (const std::int64_t stop_at : {1, 5, 12, 13, 17}) {
        SCOPED_TRACE(stop_at);
        const Tuning resumed = stopped_and_resumed(f, stop_at);
        EXPECT_TRUE(at::equal(whole.optimised_embedding, resumed.optimised_embedding));
        for (const auto& [name, tensor] : whole.unet->parameters()) {
            EXPECT_TRUE(at::equal(tensor, resumed.unet->parameters().at(name))) << name;
        }
        EXPECT_EQ(whole.embedding_losses.training, resumed.embedding_losses.training);
        EXPECT_EQ(whole.finetune_losses.training, resumed.finetune_losses.training);
        EXPECT_EQ(whole.finetune_losses.after, resumed.finetune_losses.after);
    }
}

// Recomputed activations: the same tuning, to rounding, of the text and of all weights or a LoRA.
TEST_P(Imagic, CheckpointingChangesNoResult) {
    for (const std::int64_t rank : {0, 4}) {
        SCOPED_TRACE(rank);
        Fixture f(GetParam());
        f.finetune.rank = rank;
        const Tuning kept = f.finished(), recomputed = f.finished(Checkpointing::on);
        EXPECT_LT(relative(recomputed.optimised_embedding, kept.optimised_embedding), 1e-5);
        for (const auto& [name, wanted] : kept.unet->parameters()) {
            const Tensor error = recomputed.unet->parameters().at(name) - wanted;
            const Tensor movement = wanted - f.unet.parameters().at(name);
            // As above: where there is next to no gradient, Adam moves by what is rounding.
            EXPECT_LE(error.norm().item<double>(), 1e-2 * movement.norm().item<double>()) << name;
        }
        const auto expect_losses = [](const StageLosses& found, const StageLosses& wanted) {
            ASSERT_EQ(found.training.size(), wanted.training.size());
            EXPECT_EQ(found.before.has_value(), wanted.before.has_value());
            for (std::size_t i = 0; i < found.training.size(); ++i)
                EXPECT_NEAR(found.training[i] / wanted.training[i], 1, 1e-5) << i;
            EXPECT_NEAR(*found.after / *wanted.after, 1, 1e-5);
        };
        expect_losses(recomputed.embedding_losses, kept.embedding_losses);
        expect_losses(recomputed.finetune_losses, kept.finetune_losses);
    }
}

TEST_P(Imagic, CheckpointingLowersTheMostMemory) {
    Fixture f(GetParam());
    f.task.latents = f.task.latents.repeat({1, 1, 8, 8});
    f.embedding.steps = f.finetune.steps = 2;
    const auto peak = [&](Checkpointing checkpointing) {
        const testing::CountedTensors counted;
        const std::size_t before = counted.now();
        counted.reset_peak();
        f.finished(checkpointing);
        return static_cast<double>(counted.peak() - before);
    };
    peak(Checkpointing::off);  // packs weights, which stay
    const double kept = peak(Checkpointing::off), recomputed = peak(Checkpointing::on);
    EXPECT_LT(recomputed, 0.7 * kept);
}

TEST_P(Imagic, StoppedAndResumedWithCheckpointing) {
    const Fixture f(GetParam());
    const Tuning whole = f.finished(Checkpointing::on);
    for (const std::int64_t stop_at : {5, 15}) {
        const Tuning resumed = stopped_and_resumed(f, stop_at, Checkpointing::on);
        EXPECT_TRUE(at::equal(whole.optimised_embedding, resumed.optimised_embedding));
        for (const auto& [name, tensor] : whole.unet->parameters())
            EXPECT_TRUE(at::equal(tensor, resumed.unet->parameters().at(name))) << name;
    }
}

TEST_P(Imagic, AnotherSeedDrawsOtherNoise) {
    Fixture f(GetParam());
    const Tuning one = f.finished();
    f.task.seed = 43;
    const Tuning other = f.finished();
    EXPECT_FALSE(at::equal(one.optimised_embedding, other.optimised_embedding));
    EXPECT_EQ(one.embedding_losses.before, other.embedding_losses.before);  // the set is fixed
}

TEST_P(Imagic, EvaluationDoesNotDependOnHowItIsBatched) {
    const Fixture f(GetParam());
    // 64 x 64 latents are evaluated one pair at a time, 8 x 8 ones all at once.
    const Tensor small = f.golden.at("latents");
    const double at_once =
        evaluation_loss(f.unet, f.schedule, small, f.golden.at("target_embedding"));
    EXPECT_EQ(at_once, evaluation_loss(f.unet, f.schedule, small, f.golden.at("target_embedding")));
    const Tensor large = small.repeat({1, 1, 8, 8});
    EXPECT_GT(evaluation_loss(f.unet, f.schedule, large, f.golden.at("target_embedding")), 0);
}

TEST(ImagicInterpolation, EndsAreTheEmbeddingsAndItGoesBeyond) {
    const Tensor target = at::randn({1, 7, 16}), optimised = at::randn({1, 7, 16});
    EXPECT_TRUE(at::allclose(interpolate(target, optimised, 0), optimised));
    EXPECT_TRUE(at::allclose(interpolate(target, optimised, 1), target));
    EXPECT_TRUE(at::allclose(interpolate(target, optimised, 1.2),
                             target + 0.2 * (target - optimised), 1e-5, 1e-6));
}

TEST(ImagicErrors, LossThatIsNoNumberIsNamedWithItsStep) {
    Fixture f("epsilon");
    f.finetune.learning_rate = 1e30;
    Tuning tuning = f.start();
    optimise_embedding(f.task, f.embedding, tuning);
    try {
        fine_tune(f.task, f.finetune, tuning);
        FAIL() << "trained on";
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("finetune: the loss is not a number at step"),
                  std::string::npos)
            << error.what();
    }
    EXPECT_FALSE(tuning.unet->parameters().begin()->second.requires_grad());
}

TEST(ImagicErrors, StageBNeedsStageA) {
    Fixture f("epsilon");
    Tuning tuning = f.start();
    EXPECT_THROW(fine_tune(f.task, f.finetune, tuning), Error);
}

}  // namespace
}  // namespace keepsake::optimize
