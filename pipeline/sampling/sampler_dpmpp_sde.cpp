// DPM++ SDE: the single-step second-order solver of Lu et al., arXiv 2211.01095, on the SDE, as
// k-diffusion's sample_dpmpp_sde (Katherine Crowson) has it with r = 1/2 and eta 1. The last step,
// to sigma 0, is Euler's.
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

// x at `sigma` goes to `next`: down along the ODE with x0 held, up by noise.
Tensor solve(const Tensor& x, const Tensor& x0, double sigma, double next, const Tensor& noise) {
    const AncestralStep step = ancestral_step(sigma, next);
    return with_x0_held(x, x0, sigma, step.down) + noise * step.up;
}

}  // namespace

Timetable dpmpp_sde_timetable(const Schedule& schedule, int num_inference_steps) {
    return two_call_timetable(Sampler::dpmpp_sde, schedule, num_inference_steps,
                              SecondCall::half_way);
}

Tensor sample_dpmpp_sde(const SamplerRun& run, Tensor x) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    for (std::size_t i = run.begin(); i < run.end(); i += 2) {
        const double sigma = sigmas[i];
        const Tensor start = x;
        const Tensor x0 = call_for_x0(run, x, i, sigma);
        if (i + 1 == run.end()) {
            x = start + (start - x0) / sigma * (sigmas[i + 1] - sigma);
            x = end_call(run, i, x);
            break;
        }
        const double middle = sigmas[i + 1], next = sigmas[i + 2];
        // One path of the Brownian motion, in sigma: the step's noise is that of its first half and
        // of its second, each of unit deviation.
        const Tensor first = path_noise(run, x, sigma, middle);
        x = solve(start, x0, sigma, middle, first);
        x = end_call(run, i, x);
        const Tensor there = call_for_x0(run, x, i + 1, middle);
        const Tensor second = path_noise(run, x, middle, next);
        const Tensor whole =
            (first * std::sqrt(sigma - middle) + second * std::sqrt(middle - next)) /
            std::sqrt(sigma - next);
        x = solve(start, there, sigma, next, whole);
        x = end_call(run, i + 1, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
