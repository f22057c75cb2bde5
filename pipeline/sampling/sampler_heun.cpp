// Heun: Karras, Aittala, Aila, Laine, arXiv 2206.00364, algorithm 1 (algorithm 2 without churn): a
// step of Euler's, then the same step by the mean of the slopes at its two ends. The last step, to
// sigma 0, is Euler's alone.
#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable heun_timetable(const Schedule& schedule, int num_inference_steps) {
    return two_call_timetable(Sampler::heun, schedule, num_inference_steps, SecondCall::at_next);
}

Tensor sample_heun(const SamplerRun& run, Tensor x) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    for (std::size_t i = run.begin(); i < run.end(); i += 2) {
        const double sigma = sigmas[i], next = sigmas[i + 1];
        const Tensor start = x;
        const Tensor slope = (x - call_for_x0(run, x, i, sigma)) / sigma;
        x = start + slope * (next - sigma);
        x = end_call(run, i, x);
        if (i + 1 == run.end()) break;
        const Tensor there = (x - call_for_x0(run, x, i + 1, next)) / next;
        x = start + (slope + there) / 2 * (next - sigma);
        x = end_call(run, i + 1, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
