#include "optimize/distil/progressive.h"

#include <ATen/core/grad_mode.h>

#include "pipeline/error.h"

namespace keepsake::optimize {
namespace {

// (B, ...) -> (B)
Tensor mean_square(const Tensor& difference) {
    return difference.square().flatten(1).mean(1);
}

// T i / steps - 1, halves to even as numpy rounds them: -1 for i = 0.
Tensor timesteps_of(std::int64_t range, std::int64_t steps, const Tensor& index) {
    const Tensor exact = index.to(at::kDouble) * static_cast<double>(range);
    return (exact / static_cast<double>(steps)).round().to(at::kLong) - 1;
}

}  // namespace

StepTimes step_times(const pipeline::Schedule& schedule, std::int64_t steps, const Tensor& index) {
    const std::int64_t range = schedule.config.num_train_timesteps;
    if (steps < 1 || 2 * steps > range) {
        throw Error("steps", std::to_string(steps) +
                                 " cannot be taught: is not from 1 to half of the " + "model's " +
                                 std::to_string(range) + " timesteps");
    }
    return {timesteps_of(range, steps, index + 1), timesteps_of(range, 2 * steps, 2 * index + 1),
            timesteps_of(range, steps, index)};
}

Tensor two_steps(const pipeline::Schedule& schedule, const Predictor& teacher, const Tensor& z,
                 const StepTimes& times) {
    const at::NoGradGuard no_grad;
    const auto step = [&](const Tensor& at, const Tensor& from, const Tensor& to) {
        const Reading reading = read_output(schedule.config.prediction_type, teacher(at, from), at,
                                            level_at(schedule, from));
        return ddim_step(reading, level_at(schedule, to));
    };
    return step(step(z, times.from, times.middle), times.middle, times.to);
}

Tensor target_picture(const Tensor& z, const Tensor& landed, const NoiseLevel& from,
                      const NoiseLevel& to) {
    const Tensor r = to.sigma / from.sigma;
    return (landed - r * z) / (to.alpha - r * from.alpha);
}

Tensor distil_loss(DistilWeight weight, const Reading& student, const Tensor& target,
                   const Tensor& z, const NoiseLevel& level) {
    const Reading wanted = read_picture(target, z, level);
    const Tensor x = student.x - wanted.x, noise = student.noise - wanted.noise;
    switch (weight) {
        case DistilWeight::snr:
            return mean_square(noise).mean();
        case DistilWeight::truncated_snr:
            return at::maximum(mean_square(x), mean_square(noise)).mean();
        case DistilWeight::snr_plus_one:
            return mean_square(level.alpha * noise - level.sigma * x).mean();
    }
    throw Error("weight", "unknown");
}

}  // namespace keepsake::optimize
