// SDE-DPM-Solver++(2M): Lu, Zhou, Bao, Chen, Li, Zhu, arXiv 2211.01095, appendix on SDE solvers;
// the multistep rule is that of k-diffusion's sample_dpmpp_2m_sde by Katherine Crowson, with eta 1.
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable dpmpp_2m_sde_timetable(const Schedule& schedule, int num_inference_steps) {
    constexpr Sampler self = Sampler::dpmpp_2m_sde;
    return multistep_timetable(self, schedule, num_inference_steps, dpmpp_range(self, schedule));
}

// In x = alpha x0 + s noise, with h the growth of log(alpha / s) in a step:
// x <- (s' / s) e^-h x + alpha' (1 - e^-2h) D + s' sqrt(1 - e^-2h) z, D as of DPM-Solver++(2M).
Tensor sample_dpmpp_2m_sde(const SamplerRun& run, Tensor x) {
    const ScheduleConfig& config = run.schedule.config;
    const std::vector<double>& sigmas = run.timetable.sigmas;
    const bool first_order_last = ends_first_order(run);
    Tensor before;  // x0 of the step before
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const double alpha = alpha_of_sigma(sigmas[i]), s = alpha * sigmas[i];
        const Tensor output = call_model(run, x, i);
        const Tensor x0 = read_prediction(config.prediction_type, output, x, alpha, s).x0;

        const double alpha_next = alpha_of_sigma(sigmas[i + 1]),
                     s_next = alpha_next * sigmas[i + 1];
        const double decay = sigmas[i + 1] / sigmas[i];  // e^-h
        const double grown = 1 - decay * decay;          // 1 - e^-2h
        Tensor next = x * (s_next / s * decay) + x0 * (alpha_next * grown);
        if (before.defined() && !(i + 1 == run.end() && first_order_last)) {
            const double h = std::log(sigmas[i] / sigmas[i + 1]);
            const double h_before = std::log(sigmas[i - 1] / sigmas[i]);
            const double weight = config.solver_type == "heun" ? 1 - grown / (2 * h) : 0.5 * grown;
            next = next + (x0 - before) * (h / h_before * alpha_next * weight);
        }
        if (s_next > 0) {
            const Tensor noise = path_noise(run, x, sigmas[i], sigmas[i + 1]);
            next = next + noise * (s_next * std::sqrt(grown));
        }
        before = x0;
        x = next;
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
