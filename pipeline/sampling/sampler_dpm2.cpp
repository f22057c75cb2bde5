// DPM2: DPM-Solver-2 of Lu, Zhou, Bao, Chen, Li, Zhu, "DPM-Solver", arXiv 2206.00927, algorithm 1,
// as k-diffusion's sample_dpm_2 (Katherine Crowson) takes it to sigmas: the slope half way in log
// sigma carries the whole step. The last step, to sigma 0, is Euler's.
#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {

Timetable dpm2_timetable(const Schedule& schedule, int num_inference_steps) {
    return two_call_timetable(Sampler::dpm2, schedule, num_inference_steps, SecondCall::half_way);
}

Tensor sample_dpm2(const SamplerRun& run, Tensor x) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    for (std::size_t i = run.begin(); i < run.end(); i += 2) {
        const double sigma = sigmas[i], middle = sigmas[i + 1];  // of the last step: its end
        const Tensor start = x;
        const Tensor slope = (x - call_for_x0(run, x, i, sigma)) / sigma;
        x = start + slope * (middle - sigma);
        x = end_call(run, i, x);
        if (i + 1 == run.end()) break;
        const Tensor there = (x - call_for_x0(run, x, i + 1, middle)) / middle;
        x = start + there * (sigmas[i + 2] - sigma);
        x = end_call(run, i + 1, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
