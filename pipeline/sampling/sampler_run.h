// What the samplers' own files share and provide. Callers include samplers.h.
#pragma once

#include "pipeline/sampling/brownian_tree.h"
#include "pipeline/sampling/samplers.h"

namespace keepsake::pipeline {

// The arguments of sample(), but for the latents that change.
struct SamplerRun {
    const Denoiser& denoise;
    const Schedule& schedule;
    const Timetable& timetable;
    const SamplerControls& controls;

    mutable std::uint32_t draws = 0;               // of noise, so far
    mutable std::vector<BrownianTree> paths = {};  // path_noise's: one, or one for each picture

    std::size_t begin() const { return controls.begin; }
    std::size_t end() const { return timetable.timesteps.size(); }
};

// The raw prediction at timesteps[index] of x, (B, C, h, w). Throws Error if it has another shape.
Tensor call_model(const SamplerRun& run, const Tensor& x, std::size_t index);

// Ends the model call `index`, after which the latents are `latents`: lets controls.after_call
// change them, reports them to on_step and the monitor, and returns them.
Tensor end_call(const SamplerRun& run, std::size_t index, const Tensor& latents);

// Both readings of a raw model output for x = alpha x0 + sigma noise, alpha^2 + sigma^2 = 1.
struct Prediction {
    Tensor x0, noise;
};
Prediction read_prediction(PredictionType type, const Tensor& output, const Tensor& x, double alpha,
                           double sigma);

// x0 of a raw model output for x = x0 + sigma noise, in the reference's order of operations: after
// zero terminal SNR sigma starts at 4096, where float32 rounding alone nears the tolerance.
Tensor read_x0(PredictionType type, const Tensor& output, const Tensor& x, double sigma);

// x0 of the model at x = x0 + sigma noise: the call `index`, its input scaled as it was trained.
Tensor call_for_x0(const SamplerRun& run, const Tensor& x, std::size_t index, double sigma);

// How ancestral sampling goes from one sigma to a lower one: down to `down` along the ODE, then up
// by noise of deviation `up`; down^2 + up^2 is the square of the second sigma.
struct AncestralStep {
    double down, up;
};
AncestralStep ancestral_step(double sigma, double next);

// x at `sigma` goes to `next` along the ODE with x0 held.
Tensor with_x0_held(const Tensor& x, const Tensor& x0, double sigma, double next);

// Whether DPM-Solver++'s last step is of first order, as the reference decides it.
bool ends_first_order(const SamplerRun& run);

// Standard normal noise like `like`, (B, C, h, w), of run.controls.generators or philox_seeds.
// Throws Error naming them when they are not one, or one for each picture.
Tensor step_noise(const SamplerRun& run, const Tensor& like);

// What the SDE samplers take in its place for a step from one sigma to a lower one. With
// philox_seeds it is AUTOMATIC1111's: the increment of a Brownian tree over the run's sigmas above
// 0, which k-diffusion's BrownianTreeNoiseSampler builds, of unit deviation.
Tensor path_noise(const SamplerRun& run, const Tensor& like, double sigma, double next);
void check_generators(const SamplerRun& run, const Tensor& latents);

// Variance-preserving scaling of a sigma: x0 + sigma noise, times alpha, is alpha x0 + (alpha
// sigma) noise with squares that add to 1, which is what the model was trained on.
double alpha_of_sigma(double sigma);

// Each sampler's timetable and loop, in sampler_<name>.cpp. lcm and tcd share theirs,
// distilled_timetable of timetable.h.
Timetable ddim_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_ddim(const SamplerRun& run, Tensor x);
Timetable pndm_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_pndm(const SamplerRun& run, Tensor x);
Timetable lms_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_lms(const SamplerRun& run, Tensor x);
Timetable euler_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_euler(const SamplerRun& run, Tensor x);
Timetable dpmpp_2m_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_dpmpp_2m(const SamplerRun& run, Tensor x);
Timetable euler_a_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_euler_a(const SamplerRun& run, Tensor x);
Timetable heun_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_heun(const SamplerRun& run, Tensor x);
Timetable dpm2_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_dpm2(const SamplerRun& run, Tensor x);
Timetable dpm2_a_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_dpm2_a(const SamplerRun& run, Tensor x);  // in sampler_dpm2.cpp
Timetable dpmpp_2s_a_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_dpmpp_2s_a(const SamplerRun& run, Tensor x);
Timetable dpmpp_2m_sde_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_dpmpp_2m_sde(const SamplerRun& run, Tensor x);
Timetable dpmpp_sde_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_dpmpp_sde(const SamplerRun& run, Tensor x);
Timetable dpmpp_3m_sde_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_dpmpp_3m_sde(const SamplerRun& run, Tensor x);
Timetable unipc_timetable(const Schedule& schedule, int num_inference_steps);
Tensor sample_unipc(const SamplerRun& run, Tensor x);
Tensor sample_lcm(const SamplerRun& run, Tensor x);
Tensor sample_tcd(const SamplerRun& run, Tensor x);

}  // namespace keepsake::pipeline
