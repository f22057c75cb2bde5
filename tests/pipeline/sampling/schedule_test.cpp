// The noise schedule against diffusers (tests/goldens/make_sampler_goldens.py).
#include "pipeline/sampling/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "pipeline/error.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/sampling/samplers.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;

double largest_difference(const Tensor& a, const Tensor& b) {
    if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return HUGE_VAL;
    return (a - b).abs().max().item<double>();
}

std::string error_of(const json& config) {
    try {
        const Schedule schedule(ScheduleConfig::from_json(config));
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

TEST(Schedule, TablesNoiseAndTargetsAreTheReferences) {
    const TensorMap goldens = read_safetensors(KEEPSAKE_GOLDENS "/schedules.safetensors");
    const json index = read_json_file(KEEPSAKE_GOLDENS "/schedules.json");
    ASSERT_GE(index.size(), 7u);
    const Tensor& x0 = goldens.at("x0");
    const Tensor& noise = goldens.at("noise");
    for (const auto& [name, config] : index.items()) {
        SCOPED_TRACE(name);
        const Schedule schedule(ScheduleConfig::from_json(config));
        // Equal, not only close: nothing in it depends on the processor.
        EXPECT_EQ(largest_difference(schedule.alphas_cumprod, goldens.at(name + ".alphas_cumprod")),
                  0);
        const Tensor& timesteps = goldens.at(name + ".timesteps");
        EXPECT_LE(largest_difference(schedule.add_noise(x0, noise, timesteps),
                                     goldens.at(name + ".noised")),
                  1e-6);
        Schedule v = schedule;
        v.config.prediction_type = PredictionType::v_prediction;
        EXPECT_LE(
            largest_difference(v.target(x0, noise, timesteps), goldens.at(name + ".velocity")),
            1e-6);
        v.config.prediction_type = PredictionType::epsilon;
        EXPECT_TRUE(at::equal(v.target(x0, noise, timesteps), noise));
        v.config.prediction_type = PredictionType::sample;
        EXPECT_TRUE(at::equal(v.target(x0, noise, timesteps), x0));
    }
}

TEST(Schedule, ReadsTheBundledModelsFile) {
    const ScheduleConfig config = ScheduleConfig::from_json(
        read_json_file(KEEPSAKE_ASSETS "/models/flowers/scheduler/scheduler_config.json"));
    EXPECT_EQ(config.prediction_type, PredictionType::v_prediction);
    EXPECT_EQ(config.beta_schedule, "scaled_linear");
    EXPECT_EQ(config.beta_end, 0.02);
    EXPECT_EQ(config.steps_offset, 1);
    EXPECT_TRUE(config.skip_prk_steps);
    EXPECT_EQ(config.set_alpha_to_one, false);
    EXPECT_EQ(config.timestep_spacing, TimestepSpacing::leading);
}

TEST(Schedule, KeepsTheLatentsDtypeAndDifferentiates) {
    const Schedule schedule(ScheduleConfig::stable_diffusion(PredictionType::v_prediction));
    const Tensor timesteps = at::tensor({10, 900}, at::kLong);
    const Tensor x0 = at::randn({2, 4, 3, 5}).to(at::kBFloat16).requires_grad_();
    const Tensor noised = schedule.add_noise(x0, at::randn_like(x0), timesteps);
    EXPECT_EQ(noised.scalar_type(), at::kBFloat16);
    EXPECT_TRUE(noised.requires_grad());
    EXPECT_EQ(schedule.target(x0, at::randn_like(x0), timesteps).scalar_type(), at::kBFloat16);
}

TEST(Schedule, WrongTimestepsAreNamed) {
    const Schedule schedule(ScheduleConfig{});
    const Tensor x0 = at::zeros({2, 4, 2, 2});
    const auto error = [&](const Tensor& timesteps) -> std::string {
        try {
            schedule.add_noise(x0, x0, timesteps);
        } catch (const Error& e) {
            return e.what();
        }
        return {};
    };
    EXPECT_EQ(error(at::tensor({0, 1000}, at::kLong)), "timesteps: 1000 is not in [0, 1000)");
    EXPECT_EQ(error(at::tensor({-1, 3}, at::kLong)), "timesteps: -1 is not in [0, 1000)");
    EXPECT_EQ(error(at::tensor({1}, at::kLong)),
              "timesteps: expected int64 of shape (2,), found Long [1]");
    EXPECT_EQ(error(at::tensor({1.0, 2.0}, at::kFloat)),
              "timesteps: expected int64 of shape (2,), found Float [2]");
}

TEST(ScheduleConfig, ReadsWhatDiffusersWritesOfDpmSolver) {
    const ScheduleConfig config = ScheduleConfig::from_json(
        read_json_file(KEEPSAKE_GOLDENS "/dpmsolver_scheduler_config.json"));
    EXPECT_EQ(config.lambda_min_clipped, -std::numeric_limits<double>::infinity());
    EXPECT_EQ(config.beta_end, 0.02);
    EXPECT_EQ(config.prediction_type, PredictionType::v_prediction);
    EXPECT_EQ(make_timetable(Sampler::dpmpp_2m, Schedule(config), 20).timesteps.front(), 941);
}

TEST(ScheduleConfig, OnlyOneNumberMayBeInfinite) {
    EXPECT_EQ(error_of(parse_json(R"({"beta_start": NaN})", "x")),
              "scheduler_config.json, beta_start: expected a number, found NaN");
    EXPECT_NE(error_of(parse_json(R"({"sigma_max": Infinity})", "x")), "");
    EXPECT_NE(error_of(parse_json(R"({"lambda_min_clipped": Infinity})", "x")), "");
    EXPECT_NE(error_of(parse_json(R"({"lambda_min_clipped": NaN})", "x")), "");
    EXPECT_NE(error_of(parse_json(R"({"sigma_min": 0})", "x")), "");
}

TEST(ScheduleConfig, SilenceLeavesTheChoiceToTheSampler) {
    const ScheduleConfig config = ScheduleConfig::from_json(
        json::parse(R"({"timestep_spacing": null, "trained_betas": null, "solver_p": null})"));
    EXPECT_FALSE(config.timestep_spacing.has_value());
    EXPECT_FALSE(config.set_alpha_to_one.has_value());
    EXPECT_EQ(config.num_train_timesteps, 1000);
    EXPECT_EQ(config.beta_schedule, "linear");
}

TEST(ScheduleConfig, TakesEveryStableDiffusionClass) {
    for (const char* name : {"PNDM", "DDIM", "DDPM", "LMSDiscrete", "EulerDiscrete",
                             "EulerAncestralDiscrete", "HeunDiscrete", "DPMSolverMultistep",
                             "DPMSolverSinglestep", "UniPCMultistep", "DEISMultistep"}) {
        EXPECT_EQ(error_of({{"_class_name", std::string(name) + "Scheduler"}}), "") << name;
    }
}

TEST(ScheduleConfig, WhatIsNotSupportedIsRefusedByName) {
    const auto expect = [](const json& config, const std::string& why) {
        EXPECT_EQ(error_of(config), "scheduler_config.json, " + why);
    };
    expect({{"_class_name", "FlowMatchEulerDiscreteScheduler"}},
           "_class_name: \"FlowMatchEulerDiscreteScheduler\" is not supported");
    expect({{"prediction_type", "flow_prediction"}},
           "prediction_type: \"flow_prediction\" is not supported (known: epsilon, v_prediction, "
           "sample)");
    expect({{"beta_schedule", "sigmoid"}},
           "beta_schedule: \"sigmoid\" is not supported (known: linear, scaled_linear, "
           "squaredcos_cap_v2)");
    expect({{"timestep_spacing", "uniform"}},
           "timestep_spacing: \"uniform\" is not supported (known: leading, linspace, trailing)");
    expect({{"final_sigmas_type", "one"}},
           "final_sigmas_type: \"one\" is not supported (known: zero, sigma_min)");
    for (const char* key :
         {"thresholding", "use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting"}) {
        expect({{key, true}}, std::string(key) + ": true is not supported");
        EXPECT_EQ(error_of({{key, false}}), "");
    }
    expect({{"timestep_type", "continuous"}}, "timestep_type: \"continuous\" is not supported");
    expect({{"interpolation_type", "log_linear"}},
           "interpolation_type: \"log_linear\" is not supported");
    expect({{"variance_type", "learned_range"}},
           "variance_type: \"learned_range\" is not supported");
}

TEST(ScheduleConfig, WrongValuesAreNamed) {
    const auto expect = [](const json& config, const std::string& why) {
        EXPECT_EQ(error_of(config), "scheduler_config.json, " + why);
    };
    expect({{"beta_start", "0.1"}}, "beta_start: expected a number, found \"0.1\"");
    expect({{"solver_order", 0.5}}, "solver_order: expected a whole number, found 0.5");
    expect({{"skip_prk_steps", 1}}, "skip_prk_steps: expected true or false, found 1");
    expect({{"beta_schedule", 3}}, "beta_schedule: expected a text, found 3");
    expect({{"trained_betas", "x"}}, "trained_betas: expected a list of numbers");
    expect({{"num_train_timesteps", 0}}, "num_train_timesteps: 0 is not between 1 and 1000000");
    expect({{"num_train_timesteps", 1'000'000'000}},
           "num_train_timesteps: 1000000000 is not between 1 and 1000000");
    expect({{"beta_end", 1.5}}, "beta_end: 1.500000 is not between 0 and 1");
    expect({{"beta_start", 0}}, "beta_start: 0.000000 is not between 0 and 1");
    expect({{"trained_betas", {0.1, 0.2}}}, "trained_betas: 2 values for 1000 num_train_timesteps");
    expect({{"trained_betas", {0.1, 2}}, {"num_train_timesteps", 2}},
           "trained_betas: 2.000000 is not between 0 and 1");
    EXPECT_EQ(error_of(json::array()), "scheduler_config.json: expected a JSON object");
}

}  // namespace
}  // namespace keepsake::pipeline
