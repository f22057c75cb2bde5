// DPM++ 2S a: the single-step second-order solver of Lu et al., arXiv 2211.01095, algorithm 1, to a
// lower sigma than the next, and noise up to that; after k-diffusion's sample_dpmpp_2s_ancestral by
// Katherine Crowson, with its eta and s_noise of 1 and r = 1/2. The last step, to sigma 0, is
// Euler's.
#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable dpmpp_2s_a_timetable(const Schedule& schedule, int num_inference_steps) {
    return two_call_timetable(Sampler::dpmpp_2s_a, schedule, num_inference_steps,
                              SecondCall::half_way_down);
}

Tensor sample_dpmpp_2s_a(const SamplerRun& run, Tensor x) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    for (std::size_t i = run.begin(); i < run.end(); i += 2) {
        const double sigma = sigmas[i], middle = sigmas[i + 1];  // of the last step: its end
        const Tensor start = x;
        x = with_x0_held(start, call_for_x0(run, x, i, sigma), sigma, middle);
        x = end_call(run, i, x);
        if (i + 1 == run.end()) break;
        const AncestralStep step = ancestral_step(sigma, sigmas[i + 2]);
        const Tensor there = call_for_x0(run, x, i + 1, middle);
        x = with_x0_held(start, there, sigma, step.down) + step_noise(run, x) * step.up;
        x = end_call(run, i + 1, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
