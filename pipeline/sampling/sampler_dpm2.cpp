// DPM2: DPM-Solver-2 of Lu, Zhou, Bao, Chen, Li, Zhu, "DPM-Solver", arXiv 2206.00927, algorithm 1,
// as k-diffusion's sample_dpm_2 (Katherine Crowson) takes it to sigmas: the slope half way in log
// sigma carries the whole step. The last step, to sigma 0, is Euler's.
//
// DPM2 a, after sample_dpm_2_ancestral with its eta and s_noise of 1: the same step to a lower
// sigma than the next, and noise up to that.
#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

Tensor dpm2_steps(const SamplerRun& run, Tensor x, bool ancestral) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    for (std::size_t i = run.begin(); i < run.end(); i += 2) {
        const double sigma = sigmas[i], middle = sigmas[i + 1];  // of the last step: its end
        const Tensor start = x;
        const Tensor slope = (x - call_for_x0(run, x, i, sigma)) / sigma;
        x = start + slope * (middle - sigma);
        x = end_call(run, i, x);
        if (i + 1 == run.end()) break;
        const double next = sigmas[i + 2];
        const AncestralStep step = ancestral ? ancestral_step(sigma, next) : AncestralStep{next, 0};
        const Tensor there = (x - call_for_x0(run, x, i + 1, middle)) / middle;
        x = start + there * (step.down - sigma);
        if (ancestral) x = x + step_noise(run, x) * step.up;
        x = end_call(run, i + 1, x);
    }
    return x;
}

}  // namespace

Timetable dpm2_timetable(const Schedule& schedule, int num_inference_steps) {
    return two_call_timetable(Sampler::dpm2, schedule, num_inference_steps, SecondCall::half_way);
}

Tensor sample_dpm2(const SamplerRun& run, Tensor x) {
    return dpm2_steps(run, std::move(x), false);
}

Timetable dpm2_a_timetable(const Schedule& schedule, int num_inference_steps) {
    return two_call_timetable(Sampler::dpm2_a, schedule, num_inference_steps,
                              SecondCall::half_way_down);
}

Tensor sample_dpm2_a(const SamplerRun& run, Tensor x) {
    return dpm2_steps(run, std::move(x), true);
}

}  // namespace keepsake::pipeline
