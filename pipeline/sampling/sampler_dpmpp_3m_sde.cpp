// DPM++ 3M SDE: the third-order multistep method of k-diffusion's sample_dpmpp_3m_sde (Katherine
// Crowson), with eta 1, on the SDE of Lu et al., arXiv 2211.01095. diffusers' class of the same
// order has another sign in the term of second differences (0.5 for -0.5); this is the rule that
// other programs call by that name.
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable dpmpp_3m_sde_timetable(const Schedule& schedule, int num_inference_steps) {
    return sigma_timetable(Sampler::dpmpp_3m_sde, schedule, num_inference_steps);
}

// In x = x0 + sigma noise, with h the growth of -log(sigma) in a step and g = 2h:
// x <- e^-g x + (1 - e^-g) x0 + phi2 D1 - phi3 D2 + sigma' sqrt(1 - e^-g) z, where D1 and D2 are
// the first and second differences of x0 (the first alone after one step, none at the first).
Tensor sample_dpmpp_3m_sde(const SamplerRun& run, Tensor x) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    Tensor before, before_that;  // x0 of earlier steps
    double h_before = 0, h_before_that = 0;
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const Tensor x0 = call_for_x0(run, x, i, sigmas[i]);
        if (sigmas[i + 1] == 0) {
            x = x0;
            x = end_call(run, i, x);
            continue;
        }
        const double h = std::log(sigmas[i] / sigmas[i + 1]), grown = 2 * h;
        Tensor next = x * std::exp(-grown) - x0 * std::expm1(-grown);
        const double phi2 = std::expm1(-grown) / grown + 1;
        if (before_that.defined()) {
            const double r0 = h_before / h, r1 = h_before_that / h;
            const Tensor d10 = (x0 - before) / r0, d11 = (before - before_that) / r1;
            const double phi3 = phi2 / grown - 0.5;
            const Tensor d2 = (d10 - d11) / (r0 + r1);
            next = next + (d10 + d2 * r0) * phi2 - d2 * phi3;
        } else if (before.defined()) {
            next = next + (x0 - before) * (phi2 * h / h_before);
        }
        const Tensor noise = path_noise(run, x, sigmas[i], sigmas[i + 1]);
        x = next + noise * (sigmas[i + 1] * std::sqrt(-std::expm1(-grown)));
        before_that = before;
        before = x0;
        h_before_that = h_before;
        h_before = h;
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
