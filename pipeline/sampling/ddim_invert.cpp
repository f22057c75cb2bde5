#include "pipeline/sampling/ddim_invert.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

// One step of DDIM (eq. 12 with sigma 0) from the level `from` to the level `to`, both
// alphas_cumprod, with the noise given. Never towards noise from zero signal.
Tensor ddim_step(const Tensor& x, const Tensor& noise, double from, double to) {
    const Tensor x0 = (x - noise * std::sqrt(1 - from)) / std::sqrt(from);
    return x0 * std::sqrt(to) + noise * std::sqrt(1 - to);
}

void check(const std::vector<std::int64_t>& timesteps, std::size_t range) {
    std::int64_t before = -1;
    for (const std::int64_t t : timesteps) {
        if (t <= before || t >= static_cast<std::int64_t>(range)) {
            throw Error("timesteps", std::to_string(t) + " after " + std::to_string(before) +
                                         ", expected ascending ones below " +
                                         std::to_string(range));
        }
        before = t;
    }
}

}  // namespace

Tensor ddim_invert(const Denoiser& denoise, const Schedule& schedule,
                   const std::vector<std::int64_t>& timesteps, const Tensor& latents,
                   const InversionOptions& options) {
    const at::NoGradGuard no_grad;
    const ScheduleConfig& config = schedule.config;
    const std::vector<double> alphas = alphas_cumprod_of(Sampler::ddim, schedule);
    check(timesteps, alphas.size());
    const auto calls = static_cast<std::int64_t>(timesteps.size()) * options.rounds;
    std::int64_t done = 0;
    Tensor x = latents, noise;
    double level = config.set_alpha_to_one.value_or(true) ? 1.0 : alphas.front();
    for (const std::int64_t t : timesteps) {
        const double next_level = alphas[static_cast<std::size_t>(t)];
        Tensor next =
            options.extrapolate && noise.defined() ? ddim_step(x, noise, level, next_level) : x;
        for (int round = 0; round < options.rounds; ++round) {
            const Tensor output = denoise(next, static_cast<double>(t));
            noise = read_prediction(config.prediction_type, output, next, std::sqrt(next_level),
                                    std::sqrt(1 - next_level))
                        .noise;
            next = ddim_step(x, noise, level, next_level);
            if (options.monitor) options.monitor->step(++done, calls, "inversion");
        }
        x = next;
        level = next_level;
    }
    return x;
}

std::vector<std::int64_t> inversion_timesteps(const Timetable& timetable, int count) {
    const double last = std::round(timetable.timesteps.front());
    std::vector<std::int64_t> timesteps;
    for (int i = 1; i <= count; ++i) {
        const double part = count < few_inversion_steps ? static_cast<double>(i * i) / count : i;
        const auto t = static_cast<std::int64_t>(std::lround(last * part / count));
        if (timesteps.empty() || t > timesteps.back()) timesteps.push_back(t);
    }
    return timesteps;
}

}  // namespace keepsake::pipeline
