// DDIM: Song, Meng, Ermon, "Denoising Diffusion Implicit Models", arXiv 2010.02502.
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable ddim_timetable(const Schedule& schedule, int num_inference_steps) {
    Timetable table{.sampler = Sampler::ddim, .num_inference_steps = num_inference_steps};
    table.timesteps =
        whole_timesteps(schedule.config, TimestepSpacing::leading, num_inference_steps);
    check_terminal_noise(schedule.config, table);
    return table;
}

// Eq. 12 with sigma of eq. 16: x_{t-1} = sqrt(a_prev) x0 + sqrt(1 - a_prev - sigma^2) noise + sigma
// z.
Tensor sample_ddim(const SamplerRun& run, Tensor x) {
    const ScheduleConfig& config = run.schedule.config;
    const double ddim_eta = run.controls.ddim_eta;
    const std::vector<double> alphas = alphas_cumprod_of(Sampler::ddim, run.schedule);
    const double final_alpha = config.set_alpha_to_one.value_or(true) ? 1.0 : alphas.front();
    const auto stride = config.num_train_timesteps / run.timetable.num_inference_steps;

    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const auto t = static_cast<std::int64_t>(run.timetable.timesteps[i]);
        const double a = alphas[static_cast<std::size_t>(t)];
        // The reference steps by the stride of `leading` whatever the spacing.
        const double a_prev =
            t >= stride ? alphas[static_cast<std::size_t>(t - stride)] : final_alpha;

        const Tensor output = call_model(run, x, i);
        const Prediction p =
            read_prediction(config.prediction_type, output, x, std::sqrt(a), std::sqrt(1 - a));
        const double variance = (1 - a_prev) / (1 - a) * (1 - a / a_prev);
        const double sigma = ddim_eta * std::sqrt(std::max(variance, 0.0));
        const double direction = std::sqrt(std::max(1 - a_prev - sigma * sigma, 0.0));
        x = p.x0 * std::sqrt(a_prev) + p.noise * direction;
        if (ddim_eta > 0) x = x + step_noise(run, output) * sigma;
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
