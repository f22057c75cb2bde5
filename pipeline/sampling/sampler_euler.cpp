// Euler: Karras, Aittala, Aila, Laine, "Elucidating the Design Space of Diffusion-Based Generative
// Models", arXiv 2206.00364, algorithm 2 without churn.
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable euler_timetable(const Schedule& schedule, int num_inference_steps) {
    return sigma_timetable(Sampler::euler, schedule, num_inference_steps);
}

// Eq. 4 with s(t) = 1: dx/dsigma = (x - x0) / sigma, one straight step from sigma to the next.
Tensor sample_euler(const SamplerRun& run, Tensor x) {
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const double sigma = run.timetable.sigmas[i];
        const Tensor output = call_model(run, x / std::sqrt(sigma * sigma + 1), i);
        const Tensor x0 = read_x0(run.schedule.config.prediction_type, output, x, sigma);
        const Tensor slope = (x - x0) / sigma;
        x = x + slope * (run.timetable.sigmas[i + 1] - sigma);
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
