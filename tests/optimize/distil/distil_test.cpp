// The arithmetic of distillation against transcriptions of its papers' code
// (tests/goldens/make_distil_goldens.py), and what must hold of it whatever the numbers.
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "optimize/distil/consistency.h"
#include "optimize/distil/progressive.h"
#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::optimize {
namespace {

using pipeline::PredictionType;
using pipeline::Schedule;
using pipeline::ScheduleConfig;

const pipeline::TensorMap& goldens() {
    static const pipeline::TensorMap tensors =
        pipeline::read_safetensors(KEEPSAKE_GOLDENS "/distil.safetensors");
    return tensors;
}

// The golden script's network.
Tensor network(const Tensor& z, const Tensor& timesteps, double c) {
    const Tensor time = (timesteps.to(at::kFloat) / 1000).view({-1, 1, 1, 1});
    return at::tanh(z * 0.7 + c) * at::cos(time) + z * 0.2 * at::sin(time + c);
}

double relative_error(const Tensor& found, const Tensor& wanted) {
    const Tensor difference = found.to(at::kDouble) - wanted.to(at::kDouble);
    return difference.abs().max().item<double>() / wanted.abs().max().item<double>();
}

Tensor randn(std::uint64_t seed, std::int64_t batch = 4) {
    return at::randn({batch, 4, 3, 2}, at::detail::createCPUGenerator(seed),
                     at::TensorOptions(at::kFloat));
}

Tensor indices(std::vector<std::int64_t> values) {
    return at::tensor(values, at::TensorOptions(at::kLong));
}

template <typename Run>
std::string error_of(const Run& run) {
    try {
        run();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

class Distil : public testing::TestWithParam<const char*> {
  protected:
    // One of the golden's tensors; floating ones as float32.
    Tensor golden(const std::string& key) const {
        const Tensor& found = goldens().at(std::string(GetParam()) + "." + key);
        return found.scalar_type() == at::kDouble ? found.to(at::kFloat) : found;
    }
    PredictionType type() const { return schedule.config.prediction_type; }

    const Schedule schedule{
        ScheduleConfig::stable_diffusion(pipeline::parse_prediction(GetParam()))};
};
INSTANTIATE_TEST_SUITE_P(Predictions, Distil, testing::Values("epsilon", "v_prediction"));

TEST_P(Distil, ProgressiveTargetsAndLossesAreThePapers) {
    for (const std::int64_t steps : {1, 4, 8}) {
        SCOPED_TRACE(steps);
        const auto of = [&](const std::string& key) {
            return golden(std::to_string(steps) + "." + key);
        };
        const StepTimes times = step_times(schedule, steps, of("index"));
        EXPECT_TRUE(at::equal(times.from, of("from")));
        EXPECT_TRUE(at::equal(times.middle, of("middle")));
        EXPECT_TRUE(at::equal(times.to, of("to")));

        const Tensor z = of("z");
        const auto teacher = [](const Tensor& x, const Tensor& t) { return network(x, t, 0.3); };
        const Tensor landed = two_steps(schedule, teacher, z, times);
        EXPECT_LT(relative_error(landed, of("landed")), 1e-5);
        const NoiseLevel from = level_at(schedule, times.from), to = level_at(schedule, times.to);
        const Tensor target = target_picture(z, landed, from, to);
        EXPECT_LT(relative_error(target, of("x")), 1e-4);
        const Reading wanted = read_picture(target, z, from);
        EXPECT_LT(relative_error(wanted.noise, of("eps")), 1e-4);
        EXPECT_LT(relative_error(from.alpha * wanted.noise - from.sigma * target, of("v")), 1e-4);

        const Reading student = read_output(type(), of("output"), z, from);
        const auto expect_loss = [&](DistilWeight weight, const char* key) {
            const double loss = distil_loss(weight, student, target, z, from).item<double>();
            EXPECT_NEAR(loss / of(key).item<double>(), 1, 2e-4) << key;
        };
        expect_loss(DistilWeight::snr, "snr");
        expect_loss(DistilWeight::truncated_snr, "snr_trunc");
        expect_loss(DistilWeight::snr_plus_one, "v_mse");
    }
}

TEST_P(Distil, OneStepOfAPerfectStudentLandsOnTheTeachersTwo) {
    for (const std::int64_t steps : {1, 2, 4, 8, 50, 500}) {
        const Tensor index = at::arange(steps, at::TensorOptions(at::kLong));
        const StepTimes times = step_times(schedule, steps, index);
        const Tensor z = randn(3, steps);
        const auto teacher = [](const Tensor& x, const Tensor& t) { return network(x, t, 0.3); };
        const Tensor landed = two_steps(schedule, teacher, z, times);
        const NoiseLevel from = level_at(schedule, times.from), to = level_at(schedule, times.to);
        const Reading student = read_picture(target_picture(z, landed, from, to), z, from);
        EXPECT_LT(relative_error(ddim_step(student, to), landed), 1e-6) << steps;
    }
}

TEST_P(Distil, ATeacherThatAlwaysSeesOnePictureTeachesThatPicture) {
    const Tensor picture = randn(5, 1);
    for (const std::int64_t steps : {1, 4, 10}) {
        const Tensor index = at::arange(steps, at::TensorOptions(at::kLong));
        const StepTimes times = step_times(schedule, steps, index);
        const Tensor z = randn(6, steps);
        const auto teacher = [&](const Tensor& x, const Tensor& t) {
            const NoiseLevel level = level_at(schedule, t);
            const Reading reading = read_picture(picture, x, level);
            if (type() == PredictionType::epsilon) return reading.noise;
            return Tensor(level.alpha * reading.noise - level.sigma * reading.x);
        };
        const NoiseLevel from = level_at(schedule, times.from), to = level_at(schedule, times.to);
        const Tensor target = target_picture(z, two_steps(schedule, teacher, z, times), from, to);
        EXPECT_LT(relative_error(target, picture.expand_as(target)), 2e-4) << steps;
        const Reading student = read_picture(target, z, from);
        EXPECT_LT(distil_loss(DistilWeight::snr_plus_one, student, target, z, from).item<double>(),
                  1e-12);
    }
}

// Halving keeps the grid: what the student of 8 learned is what the student of 4 is taught by.
TEST_P(Distil, EveryTimestepOfHalfTheStepsIsOneOfTheTeachers) {
    for (const std::int64_t steps : {1, 2, 4, 8, 16, 125}) {
        const Tensor index = at::arange(steps, at::TensorOptions(at::kLong));
        const Tensor twice = at::arange(2 * steps, at::TensorOptions(at::kLong));
        const StepTimes student = step_times(schedule, steps, index);
        const StepTimes teacher = step_times(schedule, 2 * steps, twice);
        EXPECT_TRUE(at::equal(student.from, teacher.from.slice(0, 1, 2 * steps, 2)));
        EXPECT_TRUE(at::equal(student.middle, teacher.from.slice(0, 0, 2 * steps, 2)));
    }
}

TEST_P(Distil, NeighboursOfConsistencyAreTheScripts) {
    const ConsistencyOptions options;
    const auto of = [&](const std::string& key) { return golden("consistency." + key); };
    const Neighbours at = neighbours(schedule, options, of("index"));
    EXPECT_TRUE(at::equal(at.from, of("from")));
    EXPECT_TRUE(at::equal(at.to, of("to")));
    const Tensor z = schedule.add_noise(of("x0"), of("noise"), at.from);
    EXPECT_LT(relative_error(z, of("z")), 1e-5);
    const auto read = [&](const Tensor& x, const Tensor& t, double c) {
        return read_output(type(), network(x, t, c), x, level_at(schedule, t));
    };
    const Reading teacher = guided(read(z, at.from, 0.3), read(z, at.from, -0.4), of("w"));
    const Tensor landed = ddim_step(teacher, level_at(schedule, at.landing));
    EXPECT_LT(relative_error(landed, of("x_prev")), 1e-4);
    const auto student = [&](const Tensor& x, const Tensor& t) {
        return consistency(read(x, t, 0.1).x, x, t, options);
    };
    const Tensor found = student(z, at.from), target = student(landed, at.to);
    EXPECT_LT(relative_error(found, of("found")), 1e-4);
    EXPECT_LT(relative_error(target, of("target")), 1e-4);
    EXPECT_NEAR(
        pseudo_huber(found, target, options.huber).item<double>() / of("huber").item<double>(), 1,
        1e-4);
}

TEST_P(Distil, AtTheCleanEndAConsistencyModelSaysWhatItIsGiven) {
    const Tensor z = randn(7), x = randn(8);
    EXPECT_TRUE(at::equal(consistency(x, z, indices({0, 0, 0, 0}), {}), z));
    EXPECT_LT(relative_error(consistency(x, z, indices({999, 499, 39, 19}), {}), x), 1e-4);
}

TEST_P(Distil, WhatCannotBeTaughtIsNamed) {
    const Tensor index = indices({0});
    for (const std::int64_t steps : {0, -1, 501, 1000}) {
        EXPECT_EQ(error_of([&] { step_times(schedule, steps, index); }),
                  "steps: " + std::to_string(steps) +
                      " cannot be taught: is not from 1 to half of the model's 1000 timesteps");
    }
    EXPECT_NE(error_of([&] { neighbours(schedule, {.grid = 1001}, index); }).find("grid: 1001"),
              std::string::npos);
    for (const std::int64_t t : {-2, 1000}) {
        EXPECT_EQ(error_of([&] { level_at(schedule, indices({t})); }),
                  "timesteps: expected (B) whole numbers from -1 to 999");
    }
}

TEST_P(Distil, TheLossReachesTheStudentAlone) {
    const StepTimes times = step_times(schedule, 4, indices({0, 1, 2, 3}));
    const Tensor z = randn(9), weight = at::full({1}, 0.5).requires_grad_();
    const auto teacher = [&](const Tensor& x, const Tensor& t) {
        return network(x, t, 0.3) * weight;
    };
    const NoiseLevel from = level_at(schedule, times.from), to = level_at(schedule, times.to);
    const Tensor target = target_picture(z, two_steps(schedule, teacher, z, times), from, to);
    EXPECT_FALSE(target.requires_grad());
    const Reading student = read_output(type(), network(z, times.from, 0.1) * weight, z, from);
    distil_loss(DistilWeight::truncated_snr, student, target, z, from).backward();
    EXPECT_GT(std::abs(weight.grad().item<double>()), 0);
}

}  // namespace
}  // namespace keepsake::optimize
