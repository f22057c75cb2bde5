// Ancestral sampling by Euler's method: an Euler step of Karras et al., arXiv 2206.00364, to a
// lower sigma than the next, and noise up to that; after k-diffusion's sample_euler_ancestral by
// Katherine Crowson, with its eta and s_noise of 1.
#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable euler_a_timetable(const Schedule& schedule, int num_inference_steps) {
    return sigma_timetable(Sampler::euler_a, schedule, num_inference_steps);
}

Tensor sample_euler_a(const SamplerRun& run, Tensor x) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const AncestralStep step = ancestral_step(sigmas[i], sigmas[i + 1]);
        const Tensor x0 = call_for_x0(run, x, i, sigmas[i]);
        const Tensor slope = (x - x0) / sigmas[i];
        x = x + slope * (step.down - sigmas[i]);
        if (step.up > 0) x = x + step_noise(run, x) * step.up;
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
