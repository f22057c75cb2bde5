// LCM's multistep consistency sampling: Luo et al., "Latent Consistency Models", arXiv 2310.04378.
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

constexpr double sigma_data = 0.5;  // of eq. 9, as the reference has it

}  // namespace

// Algorithm 3: the picture that the model sees (eq. 9), noised again down to the next timestep. The
// last one is what is returned, without noise.
Tensor sample_lcm(const SamplerRun& run, Tensor x) {
    const ScheduleConfig& config = run.schedule.config;
    const std::vector<double> alphas = alphas_cumprod_of(Sampler::lcm, run.schedule);
    const auto alpha_at = [&](std::size_t index) {
        return alphas[static_cast<std::size_t>(run.timetable.timesteps[index])];
    };
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const double a = alpha_at(i);
        const double scaled = run.timetable.timesteps[i] * config.timestep_scaling;
        const double norm = scaled * scaled + sigma_data * sigma_data;
        const double c_skip = sigma_data * sigma_data / norm, c_out = scaled / std::sqrt(norm);

        const Tensor output = call_model(run, x, i);
        const Prediction p =
            read_prediction(config.prediction_type, output, x, std::sqrt(a), std::sqrt(1 - a));
        x = p.x0 * c_out + x * c_skip;
        if (i + 1 < run.end()) {
            const double next = alpha_at(i + 1);
            x = x * std::sqrt(next) + step_noise(run, x) * std::sqrt(1 - next);
        }
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
