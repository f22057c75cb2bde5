// The loop's options against diffusers and torch: tests/goldens/make_learning_goldens.py.
#include <gtest/gtest.h>

#include <sstream>

#include "optimize/training/clipping.h"
#include "optimize/training/ema.h"
#include "optimize/training/loss_weights.h"
#include "optimize/training/noising.h"
#include "optimize/training/schedules.h"
#include "optimize/training/streams.h"
#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::optimize {
namespace {

const TensorMap& golden() {
    static const TensorMap tensors =
        pipeline::read_safetensors(KEEPSAKE_GOLDENS "/learning.safetensors");
    return tensors;
}

// Relative to the largest of the numbers.
void expect_close(const Tensor& found, const Tensor& wanted, double bar, const std::string& what) {
    ASSERT_EQ(found.sizes(), wanted.sizes()) << what;
    const double error = (found - wanted).abs().max().item<double>();
    EXPECT_LT(error, bar * wanted.abs().max().item<double>()) << what;
}

pipeline::Schedule schedule_of(const std::string& prediction) {
    return pipeline::Schedule(
        pipeline::ScheduleConfig::stable_diffusion(pipeline::parse_prediction(prediction)));
}

class LossOptions : public ::testing::TestWithParam<std::string> {
  protected:
    const pipeline::Schedule schedule = schedule_of(GetParam());
    Tensor of(const std::string& name) const { return golden().at(GetParam() + "." + name); }
};
INSTANTIATE_TEST_SUITE_P(Predictions, LossOptions, ::testing::Values("epsilon", "v_prediction"));

TEST_P(LossOptions, MinSnr) {
    const Tensor timesteps = golden().at("timesteps");
    expect_close(min_snr_weights(schedule, timesteps, 5), of("weights"), 1e-6, "gamma 5");
    expect_close(min_snr_weights(schedule, timesteps, 1), of("weights_1"), 1e-6, "gamma 1");
    EXPECT_EQ(testing::thrown_message<Error>([&] { min_snr_weights(schedule, timesteps, 0); }),
              "min-SNR: its gamma is not positive");
}

TEST_P(LossOptions, OffsetAndPerturbation) {
    const NoisingDraw draw{{golden().at("timesteps"), golden().at("noise")},
                           golden().at("offset"),
                           golden().at("perturbation")};
    const NoisyPictures pictures = make_noisy(schedule, golden().at("x0"), draw, {0.1, 0.2});
    expect_close(pictures.noisy, of("noisy"), 1e-5, "noisy");
    expect_close(pictures.target, of("target"), 1e-5, "target");
}

TEST_P(LossOptions, LossesOfTheScripts) {
    const Tensor said = golden().at("said"), target = of("target");
    const auto expect_loss = [&](const Tensor& weights, const std::string& name) {
        expect_close(weighted_loss(said, target, weights), of(name), 1e-6, name);
    };
    const Tensor snr = min_snr_weights(schedule, golden().at("timesteps"), 5);
    const Tensor is_prior = at::arange(6) >= 3;
    const Tensor diffusers = prior_weights(is_prior, PriorForm::diffusers, 0.7);
    expect_loss(snr, "loss");
    expect_loss(diffusers, "dreambooth");
    expect_loss(diffusers * at::where(is_prior, at::ones({6}), snr), "dreambooth_snr");
    expect_loss(prior_weights(is_prior, PriorForm::kohya, 0.7), "kohya");
}

TEST(MinSnr, EpsilonWithoutSignalIsRefused) {
    pipeline::ScheduleConfig config =
        pipeline::ScheduleConfig::stable_diffusion(pipeline::PredictionType::epsilon);
    config.rescale_betas_zero_snr = true;
    const Tensor last = at::tensor({999}, at::kLong);
    const pipeline::Schedule schedule(config);
    if (schedule.alphas_cumprod[999].item<float>() > 0) GTEST_SKIP() << "kept above 0";
    EXPECT_TRUE(testing::thrown_message<Error>([&] {
                    min_snr_weights(schedule, last, 5);
                }).starts_with("min-SNR: has no weight"));
}

TEST(Ema, TwentyStepsAreTheReferences) {
    EmaOptions warm_up;
    warm_up.warm_up = true;
    warm_up.power = 0.75;
    EmaOptions late;
    late.after = 4;
    late.decay = 0.3;
    const std::map<std::string, EmaOptions> all = {
        {"plain", {}}, {"warm_up", warm_up}, {"late", late}};
    for (const auto& [name, options] : all) {
        const Tensor decays = golden().at("ema." + name + ".decays");
        const Tensor values = golden().at("ema." + name + ".values");
        const Tensor averages = golden().at("ema." + name + ".averages");
        const Tensor parameter = values[0].clone();
        Ema ema({{"p", parameter}}, options);
        for (std::int64_t k = 1; k <= 20; ++k) {
            EXPECT_NEAR(ema_decay(options, k), decays[k - 1].item<double>(), 1e-12) << name << k;
            parameter.copy_(values[k]);
            ema.update(k);
            expect_close(ema.averages().at("p"), averages[k - 1], 1e-4, name);
        }
        Ema again({{"p", parameter}}, options);
        again.load(ema.averages());
        EXPECT_TRUE(at::equal(again.averages().at("p"), ema.averages().at("p")));
        EXPECT_EQ(testing::thrown_message<Error>([&] { again.load({}); }),
                  "averaged weights: have no tensor p");
    }
}

// "rate.cosine.2.6.1.1.0": name, warm-up, steps, cycles, power.
ScheduleOptions options_of(const std::string& name) {
    std::istringstream parts(name);
    std::vector<std::string> part(6);
    for (std::string& one : part) std::getline(parts, one, '.');
    static const std::map<std::string, LearningSchedule> kinds = {
        {"constant", LearningSchedule::constant},
        {"constant_with_warmup", LearningSchedule::constant_with_warmup},
        {"linear", LearningSchedule::linear},
        {"cosine", LearningSchedule::cosine},
        {"cosine_with_restarts", LearningSchedule::cosine_with_restarts},
        {"polynomial", LearningSchedule::polynomial}};
    ScheduleOptions options;
    options.kind = kinds.at(part[1]);
    options.rate = 2e-3;
    options.warmup_steps = std::stoll(part[2]);
    options.steps = std::stoll(part[3]);
    options.cycles = std::stod(part[4]);
    options.power = std::stod(name.substr(name.size() - 3));
    return options;
}

TEST(Rates, TheSixSchedulesAreTheReferences) {
    int found = 0;
    for (const auto& [name, rates] : golden()) {
        if (!name.starts_with("rate.")) continue;
        ++found;
        const ScheduleOptions options = options_of(name);
        for (std::int64_t step = 0; step <= options.steps; ++step)
            EXPECT_NEAR(scheduled_rate(options, step), rates[step].item<double>(), 1e-12)
                << name << " step " << step;
    }
    EXPECT_EQ(found, 18);
}

TEST(AdamW, StepsWithClippedGradientsAreTheReferences) {
    const Tensor a = golden().at("adamw.a").clone(), b = golden().at("adamw.b").clone();
    const TensorMap parameters = {{"a", a}, {"b", b}};
    Adam adam(parameters, {});
    for (std::int64_t step = 0; step < 6; ++step) {
        a.mutable_grad() = golden().at("adamw.gradients_a")[step].clone();
        b.mutable_grad() = golden().at("adamw.gradients_b")[step].clone();
        const double norm = clip_gradients(parameters, 1);
        EXPECT_NEAR(norm, golden().at("adamw.norms")[step].item<double>(), 1e-5);
        decay_weights(parameters, 3e-2 * 0.2);
        adam.step(3e-2);
    }
    expect_close(a, golden().at("adamw.a_after"), 1e-5, "a");
    expect_close(b, golden().at("adamw.b_after"), 1e-5, "b");
    EXPECT_EQ(clip_gradients({{"none", at::zeros({2})}}, 1), 0);
}

TEST(Noising, OptionsChangeNothingInThePairs) {
    const DrawRequest request{7,         streams::pictures, Draws::independent, 2, 1000,
                              {4, 3, 3}, at::kCPU};
    const NoisingDraw with = draw_noising(request, {0.1, 0.1}, 5);
    const NoisingDraw without = draw_noising(request, {}, 5);
    EXPECT_TRUE(at::equal(with.pairs.noise, without.pairs.noise));
    EXPECT_TRUE(at::equal(with.pairs.timesteps, without.pairs.timesteps));
    EXPECT_FALSE(without.offset.defined());
    EXPECT_EQ(with.offset.sizes(), (std::vector<std::int64_t>{2, 4, 1, 1}));
    EXPECT_FALSE(at::equal(with.perturbation, with.pairs.noise));
    EXPECT_TRUE(at::equal(with.perturbation, draw_noising(request, {0, 0.1}, 5).perturbation));
}

}  // namespace
}  // namespace keepsake::optimize
