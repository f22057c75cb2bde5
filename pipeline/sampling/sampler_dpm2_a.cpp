// DPM2 a: dpm2's step to a lower sigma than the next, and noise up to that; after k-diffusion's
// sample_dpm_2_ancestral by Katherine Crowson, with its eta and s_noise of 1. The slope is that
// half way, in log sigma, to the lower one. The last step, to sigma 0, is Euler's.
#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable dpm2_a_timetable(const Schedule& schedule, int num_inference_steps) {
    return two_call_timetable(Sampler::dpm2_a, schedule, num_inference_steps,
                              SecondCall::half_way_down);
}

Tensor sample_dpm2_a(const SamplerRun& run, Tensor x) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    for (std::size_t i = run.begin(); i < run.end(); i += 2) {
        const double sigma = sigmas[i], middle = sigmas[i + 1];  // of the last step: its end
        const Tensor start = x;
        const Tensor slope = (x - call_for_x0(run, x, i, sigma)) / sigma;
        x = start + slope * (middle - sigma);
        x = end_call(run, i, x);
        if (i + 1 == run.end()) break;
        const AncestralStep step = ancestral_step(sigma, sigmas[i + 2]);
        const Tensor there = (x - call_for_x0(run, x, i + 1, middle)) / middle;
        x = start + there * (step.down - sigma) + step_noise(run, x) * step.up;
        x = end_call(run, i + 1, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
