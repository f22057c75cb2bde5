// What samplers promise beside the references' numbers (sampler_parity_test.cpp).
#include "pipeline/sampling/samplers.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/pipeline/sampling/toy_denoiser.h"

namespace keepsake::pipeline {
namespace {

Tensor randn(std::uint64_t seed) {
    return at::randn({1, 4, 2, 4}, seeded(seed), at::TensorOptions(at::kFloat));
}

const std::vector<Sampler> all_samplers = {Sampler::ddim,  Sampler::pndm,     Sampler::lms,
                                           Sampler::euler, Sampler::dpmpp_2m, Sampler::lcm,
                                           Sampler::tcd};

Schedule stable_diffusion(PredictionType type = PredictionType::epsilon) {
    return Schedule(ScheduleConfig::stable_diffusion(type));
}

// The message of the Error that `run` throws; empty when it throws none.
template <typename Run>
std::string error_of(const Run& run) {
    try {
        run();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

TEST(Samplers, NamesAreTheCommandLines) {
    for (const Sampler sampler : all_samplers) {
        EXPECT_EQ(parse_sampler(sampler_name(sampler)), sampler);
    }
    const std::string error = error_of([] { parse_sampler("magic"); });
    EXPECT_EQ(error,
              "sampler \"magic\": unknown (known: ddim, pndm, lms, euler, dpmpp_2m, lcm, tcd, "
              "euler_a, heun, dpm2, dpmpp_2m_sde, dpmpp_sde, dpmpp_3m_sde, unipc, "
              "dpm2_a, dpmpp_2s_a)");
    EXPECT_THROW(parse_sampler("DDIM"), Error);
    EXPECT_THROW(parse_sampler(""), Error);
}

// A denoiser that knows the picture: every sampler must then arrive at it.
TEST(Samplers, ArriveAtThePictureThatTheModelKnows) {
    const Tensor picture = randn(3);
    for (const PredictionType type : {PredictionType::epsilon, PredictionType::v_prediction}) {
        ScheduleConfig config = ScheduleConfig::stable_diffusion(type);
        config.timestep_spacing = TimestepSpacing::leading;
        const Schedule schedule(config);
        const auto oracle = [&](const Tensor& x, double t) {
            const double a = schedule.alphas_cumprod[static_cast<std::int64_t>(t)].item<double>();
            const Tensor noise = (x - picture * std::sqrt(a)) / std::sqrt(1 - a);
            if (type == PredictionType::epsilon) return noise;
            return Tensor(noise * std::sqrt(a) - picture * std::sqrt(1 - a));
        };
        for (const Sampler sampler : all_samplers) {
            const Timetable table = make_timetable(sampler, schedule, 50);
            SamplerControls controls;
            controls.generators = {seeded(1)};
            const Tensor found =
                sample(oracle, schedule, table, randn(7) * table.init_noise_sigma, controls);
            // ddim and pndm end at the first training timestep's noise, sigma 0.03.
            EXPECT_LE(relative_error(found, picture), 0.05) << sampler_name(sampler);
        }
    }
}

TEST(Samplers, TooManyOrTooFewStepsAreRefusedByName) {
    const Schedule schedule = stable_diffusion();
    for (const Sampler sampler : all_samplers) {
        for (const int steps : {0, -1, 1001, 1 << 30}) {
            const std::string error = error_of([&] { make_timetable(sampler, schedule, steps); });
            EXPECT_EQ(error, "num_inference_steps: " + std::to_string(steps) +
                                 " is not between 1 and the model's 1000 num_train_timesteps")
                << sampler_name(sampler);
        }
    }
    // leading with an offset of 1 would call the model at timestep 1000.
    EXPECT_NE(error_of([&] {
                  make_timetable(Sampler::ddim, schedule, 1000);
              }).find("timestep 1000 is outside the trained 1000"),
              std::string::npos);
    EXPECT_EQ(make_timetable(Sampler::ddim, schedule, 500).timesteps.size(), 500u);

    ScheduleConfig leading = schedule.config;
    leading.timestep_spacing = TimestepSpacing::leading;  // stride 1000 / 1001 is none
    EXPECT_NE(error_of([&] {
                  make_timetable(Sampler::dpmpp_2m, Schedule(leading), 1000);
              }).find("same sigma"),
              std::string::npos);

    ScheduleConfig warm_up = schedule.config;
    warm_up.skip_prk_steps = false;
    EXPECT_NE(error_of([&] {
                  make_timetable(Sampler::pndm, Schedule(warm_up), 3);
              }).find("num_inference_steps: 3 is too few"),
              std::string::npos);
    EXPECT_EQ(make_timetable(Sampler::pndm, Schedule(warm_up), 4).timesteps.size(), 13u);
}

// numpy.arange(1000, 0, -1000 / 61) has a 62nd element, 1e-13: not a 62nd timestep.
TEST(Samplers, TrailingNeverLeavesTheTimesteps) {
    ScheduleConfig config = ScheduleConfig::stable_diffusion(PredictionType::epsilon);
    config.timestep_spacing = TimestepSpacing::trailing;
    const Schedule schedule(config);
    for (const Sampler sampler : {Sampler::ddim, Sampler::euler, Sampler::dpmpp_2m}) {
        for (int steps = 1; steps <= 1000; ++steps) {
            const Timetable table = make_timetable(sampler, schedule, steps);
            ASSERT_EQ(table.timesteps.size(), static_cast<std::size_t>(steps));
            ASSERT_EQ(table.timesteps.front(), 999);
            ASSERT_GE(table.timesteps.back(), 0);
        }
    }
}

// The timesteps of few steps that diffusers' LCMScheduler and TCDScheduler have; with a strength
// the same number below it.
TEST(Samplers, TheGridOfDistilledModels) {
    const Schedule schedule = stable_diffusion();
    using Steps = std::vector<double>;
    for (const Sampler sampler : {Sampler::lcm, Sampler::tcd}) {
        const auto steps = [&](int count, double strength = 1) {
            return make_timetable(sampler, schedule, count, strength).timesteps;
        };
        EXPECT_EQ(steps(1), Steps{999});
        EXPECT_EQ(steps(4), (Steps{999, 759, 499, 259}));
        EXPECT_EQ(steps(8), (Steps{999, 879, 759, 639, 499, 379, 259, 139}));
        EXPECT_EQ(steps(4, 0.5), (Steps{499, 379, 259, 139}));
        EXPECT_EQ(steps(2, 0.04), (Steps{39, 19}));
        const Timetable half = make_timetable(sampler, schedule, 4, 0.5);
        EXPECT_EQ(start_index(half, 0.5), 0u);
        // So weak that no timestep is below it: nothing is left to do.
        EXPECT_EQ(start_index(make_timetable(sampler, schedule, 4, 0.01), 0.01), 4u);
        const std::string name(sampler_name(sampler));
        EXPECT_EQ(error_of([&] { steps(51); }),
                  "num_inference_steps: 51 is more than the 50 timesteps of " + name + "'s grid");
        EXPECT_EQ(error_of([&] { steps(4, 0.07); }),
                  "num_inference_steps: 4 is more than the 3 timesteps of " + name +
                      "'s grid below the strength");
        EXPECT_NE(error_of([&] { steps(4, 1.5); }).find("strength: 1.5"), std::string::npos);
        ScheduleConfig zero = schedule.config;
        zero.rescale_betas_zero_snr = true;
        EXPECT_NE(error_of([&] {
                      make_timetable(sampler, Schedule(zero), 4);
                  }).find("rescale_betas_zero_snr"),
                  std::string::npos);
        ScheduleConfig dense = schedule.config;
        dense.original_inference_steps = 1001;
        EXPECT_NE(error_of([&] {
                      make_timetable(sampler, Schedule(dense), 4);
                  }).find("original_inference_steps: 1001"),
                  std::string::npos);
    }
}

TEST(Samplers, WhatDrawsNoiseNeedsAGenerator) {
    const Schedule schedule = stable_diffusion();
    for (const Sampler sampler : all_samplers) {
        SamplerControls controls;
        controls.ddim_eta = 0.5;
        const Timetable table = make_timetable(sampler, schedule, 4);
        const std::string error =
            error_of([&] { sample(toy_denoiser, schedule, table, randn(7), controls); });
        const bool draws = draws_noise(sampler, controls.ddim_eta, controls.tcd_eta);
        EXPECT_EQ(error.starts_with("generators: "), draws) << sampler_name(sampler) << error;
        EXPECT_EQ(draws,
                  sampler == Sampler::ddim || sampler == Sampler::lcm || sampler == Sampler::tcd);
    }
    EXPECT_FALSE(draws_noise(Sampler::tcd, 1, 0));
    EXPECT_FALSE(draws_noise(Sampler::ddim, 0, 1));
}

TEST(Samplers, WhatASamplerDoesNotImplementIsRefusedByName) {
    const auto refusal = [](Sampler sampler, auto change) {
        ScheduleConfig config = ScheduleConfig::stable_diffusion(PredictionType::epsilon);
        change(config);
        return error_of([&] { make_timetable(sampler, Schedule(config), 20); });
    };
    using Config = ScheduleConfig;
    EXPECT_EQ(
        refusal(Sampler::dpmpp_2m, [](Config& c) { c.algorithm_type = "sde-dpmsolver++"; }),
        "scheduler_config.json, algorithm_type: dpmpp_2m does not support \"sde-dpmsolver++\"");
    EXPECT_EQ(refusal(Sampler::dpmpp_2m, [](Config& c) { c.solver_order = 3; }),
              "scheduler_config.json, solver_order: dpmpp_2m does not support 3");
    EXPECT_EQ(refusal(Sampler::dpmpp_2m, [](Config& c) { c.solver_type = "x"; }),
              "scheduler_config.json, solver_type: dpmpp_2m does not support \"x\"");
    EXPECT_EQ(refusal(Sampler::dpmpp_2m, [](Config& c) { c.lambda_min_clipped = 100; }),
              "scheduler_config.json, lambda_min_clipped: leaves no timestep");
    EXPECT_EQ(refusal(Sampler::pndm, [](Config& c) { c.prediction_type = PredictionType::sample; }),
              "scheduler_config.json, prediction_type: pndm does not support \"sample\"");
    const auto noise_only = [](Config& c) {
        c.rescale_betas_zero_snr = true;
        c.timestep_spacing = TimestepSpacing::trailing;
    };
    EXPECT_NE(refusal(Sampler::ddim, noise_only).find("rescale_betas_zero_snr"), std::string::npos);
    // These keys are dpmpp_2m's own: the other samplers run.
    EXPECT_EQ(refusal(Sampler::euler, [](Config& c) { c.solver_order = 3; }), "");
}

TEST(Samplers, StrengthStartsWhereDiffusersStarts) {
    const Schedule schedule = stable_diffusion();
    const Timetable ddim = make_timetable(Sampler::ddim, schedule, 50);
    EXPECT_EQ(start_index(ddim, 1.0), 0u);
    EXPECT_EQ(start_index(ddim, 0.8), 10u);
    EXPECT_EQ(start_index(ddim, 0.999), 1u);  // int(49.95) is 49
    EXPECT_EQ(start_index(ddim, 0.29), 36u);  // 50 * 0.29 is 14.499999999999998 in both languages
    EXPECT_EQ(start_index(ddim, 0.02), 49u);
    EXPECT_EQ(start_index(ddim, 0.01), 50u);
    EXPECT_EQ(start_index(ddim, 0.0), 50u);
    const Timetable pndm = make_timetable(Sampler::pndm, schedule, 50);
    ASSERT_EQ(pndm.timesteps.size(), 51u);
    EXPECT_EQ(start_index(pndm, 0.8), 10u);  // 41 calls are left, as in diffusers
    EXPECT_EQ(start_index(pndm, 0.0), 51u);
    for (const double strength : {-0.1, 1.1, std::nan("")}) {
        EXPECT_NE(error_of([&] { start_index(ddim, strength); }).find("strength: "),
                  std::string::npos);
    }
}

TEST(Samplers, NoStepsLeaveTheLatentsAlone) {
    const Schedule schedule = stable_diffusion();
    for (const Sampler sampler : all_samplers) {
        const Timetable table = make_timetable(sampler, schedule, 20);
        SamplerControls controls;
        controls.begin = start_index(table, 0.0);
        const Tensor x0 = randn(8);
        const Tensor start = add_noise_at(table, schedule, x0, randn(7), controls.begin);
        EXPECT_TRUE(at::equal(start, x0));
        const auto never = [](const Tensor&, double) -> Tensor { throw Error("model", "called"); };
        EXPECT_TRUE(at::equal(sample(never, schedule, table, start, controls), x0));
        ++controls.begin;
        EXPECT_NE(error_of([&] { sample(never, schedule, table, x0, controls); }).find("begin: "),
                  std::string::npos);
        EXPECT_THROW(add_noise_at(table, schedule, x0, x0, controls.begin), Error);
    }
    // pndm's warm-up cannot be entered half way.
    ScheduleConfig warm_up = schedule.config;
    warm_up.skip_prk_steps = false;
    const Timetable table = make_timetable(Sampler::pndm, Schedule(warm_up), 20);
    SamplerControls controls;
    controls.begin = start_index(table, 0.5);
    EXPECT_NE(error_of([&] {
                  sample(toy_denoiser, Schedule(warm_up), table, randn(8), controls);
              }).find("skip_prk_steps"),
              std::string::npos);
}

TEST(Samplers, WrongArgumentsAreNamed) {
    const Schedule schedule = stable_diffusion();
    const Timetable table = make_timetable(Sampler::ddim, schedule, 5);
    const auto error_with = [&](const Tensor& latents, const SamplerControls& controls) {
        return error_of([&] { sample(toy_denoiser, schedule, table, latents, controls); });
    };
    EXPECT_EQ(error_with({}, {}), "latents: expected a float32 tensor (B, C, h, w)");
    EXPECT_EQ(error_with(randn(7).to(at::kHalf), {}),
              "latents: expected a float32 tensor (B, C, h, w)");
    for (const double ddim_eta : {-0.5, 1.5, std::nan("")}) {
        SamplerControls controls;
        controls.ddim_eta = ddim_eta;
        controls.generators = {seeded(1)};
        EXPECT_NE(error_with(randn(7), controls).find("ddim_eta: "), std::string::npos);
    }
    SamplerControls gamma;
    gamma.tcd_eta = 1.5;
    EXPECT_NE(error_with(randn(7), gamma).find("tcd_eta: "), std::string::npos);
    SamplerControls no_generator;
    no_generator.ddim_eta = 0.5;
    EXPECT_NE(error_with(randn(7), no_generator).find("generators: "), std::string::npos);
    SamplerControls three = no_generator;
    three.generators = {seeded(1), seeded(2), seeded(3)};
    EXPECT_NE(error_with(randn(7), three).find("generators: "), std::string::npos);
    const auto wrong_shape = [](const Tensor& x, double) { return x.slice(1, 0, 2); };
    EXPECT_EQ(error_of([&] { sample(wrong_shape, schedule, table, randn(7)); }),
              "the denoiser's prediction: expected [1, 4, 2, 4], found [1, 2, 2, 4]");
}

TEST(Samplers, ReportEachModelCallAndStop) {
    const Schedule schedule = stable_diffusion();
    for (const Sampler sampler : all_samplers) {
        const Timetable table = make_timetable(sampler, schedule, 10);
        SamplerControls controls;
        controls.begin = start_index(table, 0.5);
        controls.generators = {seeded(1)};
        const auto total = static_cast<std::int64_t>(table.timesteps.size() - controls.begin);
        std::int64_t reports = 0;
        std::stop_source stop;
        Monitor monitor(
            [&](const Progress& progress) {
                EXPECT_EQ(progress.done, ++reports);
                EXPECT_EQ(progress.total, total);
                EXPECT_EQ(progress.note, "render");
                if (progress.done == 3) stop.request_stop();
            },
            stop.get_token());
        controls.monitor = &monitor;
        EXPECT_THROW(sample(toy_denoiser, schedule, table, randn(7), controls), Cancelled);
        EXPECT_EQ(reports, 3) << sampler_name(sampler);
    }
}

// A tuned U-Net's weights require gradients; sampling must not pile up their graph.
TEST(Samplers, RecordNoGradients) {
    const Schedule schedule = stable_diffusion();
    const Tensor weight = at::full({1}, 0.5).requires_grad_();
    const auto model = [&](const Tensor& x, double) { return x * weight; };
    const Timetable table = make_timetable(Sampler::euler, schedule, 3);
    EXPECT_FALSE(sample(model, schedule, table, randn(7)).requires_grad());
}

}  // namespace
}  // namespace keepsake::pipeline
