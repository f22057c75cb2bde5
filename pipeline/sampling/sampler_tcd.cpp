// TCD's strategic stochastic sampling: Zheng et al., "Trajectory Consistency Distillation", arXiv
// 2402.19159.
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

// Algorithm 4: from t down to s = (1 - gamma) t' by a step of DDIM, from there up to the next
// timestep t' by noise. The last t' is 0, which is reached without noise.
Tensor sample_tcd(const SamplerRun& run, Tensor x) {
    const std::vector<double> alphas = alphas_cumprod_of(Sampler::tcd, run.schedule);
    const double gamma = run.controls.tcd_eta;
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const bool last = i + 1 == run.end();
        const double next = last ? 0.0 : run.timetable.timesteps[i + 1];
        // In float32 as the reference: (1 - 0.3) 100 is no whole number in both.
        const auto s = std::floor(static_cast<float>(1 - gamma) * static_cast<float>(next));
        const double a = alphas[static_cast<std::size_t>(run.timetable.timesteps[i])];
        const double a_next = alphas[static_cast<std::size_t>(next)];
        const double a_s = alphas[static_cast<std::size_t>(s)];

        const Tensor output = call_model(run, x, i);
        const Prediction p = read_prediction(run.schedule.config.prediction_type, output, x,
                                             std::sqrt(a), std::sqrt(1 - a));
        x = p.x0 * std::sqrt(a_s) + p.noise * std::sqrt(1 - a_s);
        if (gamma > 0 && !last) {
            const double kept = a_next / a_s;
            x = x * std::sqrt(kept) + step_noise(run, x) * std::sqrt(std::max(1 - kept, 0.0));
        }
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
