// Samplers: free functions from noise to latents. Each cites its paper in its source file.
//
// To add one: an enumerator below; one file sampler_<name>.cpp with its two functions (the
// timetable and the loop, declared in sampler_run.h); one row in the table of samplers.cpp. Nothing
// else names a sampler, but for its row in tests/goldens/make_sampler_goldens.py, which makes it
// tested.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/error.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::pipeline {

// The model at (scaled) input x, (B, C, h, w), and timestep t (may be fractional): its raw
// prediction, shaped like x. Guidance happens inside.
using Denoiser = std::function<Tensor(const Tensor& x, double t)>;

enum class Sampler {
    ddim,
    pndm,
    lms,
    euler,
    dpmpp_2m,
    lcm,
    tcd,
    euler_a,
    heun,
    dpm2,
    dpmpp_2m_sde,
    dpmpp_sde,
    dpmpp_3m_sde,
    unipc,
    dpm2_a,
    dpmpp_2s_a
};

// By the enumerators' names. parse_sampler throws Error naming the text and the choices.
Sampler parse_sampler(std::string_view name);
std::string_view sampler_name(Sampler sampler);
// Every one.
std::vector<Sampler> all_samplers();
// "ddim, pndm, ..." and "ddim|pndm|...", for what a person reads.
std::string sampler_names(std::string_view between);
// Whether a step draws noise: of DDIM and TCD with an eta (of SamplerControls) above 0, of LCM and
// the ancestral and SDE samplers always.
bool draws_noise(Sampler sampler, double ddim_eta, double tcd_eta);
// Whether its noise levels are sigmas, which SigmaSpacing lays out.
bool has_sigmas(Sampler sampler);
// Whether it can be laid out so: every sampler by a spacing of timesteps, those with sigmas by all.
bool fits(NoiseSchedule schedule, Sampler sampler);
// How often a step calls the model, but for the last one: 2 of the single-step solvers of second
// order.
int calls_per_step(Sampler sampler);

// When a sampler calls the model, as the reference's set_timesteps builds it.
struct Timetable {
    Sampler sampler = Sampler::ddim;
    int num_inference_steps = 50;
    // Descending; one model call each. PNDM's PLMS lists its second one twice, its Runge-Kutta
    // warm-up (skip_prk_steps false) its first ones up to four times. Of samplers with two calls a
    // step each step's first and second one; the last step has one.
    std::vector<double> timesteps = {};
    // One more than timesteps; empty for ddim, pndm, lcm and tcd.
    std::vector<double> sigmas = {};
    double init_noise_sigma = 1.0;  // initial latents = noise * init_noise_sigma
    // Of image to image, where all timesteps are already below it (lcm, tcd).
    double strength = 1.0;
};

// Throws Error naming `num_inference_steps` when it is not in [1, num_train_timesteps], too few for
// PNDM's warm-up, or so many that timesteps leave the trained range or coincide; and Error naming
// the key of the schedule's config that this sampler does not implement, sigma_spacing where it has
// no sigmas. With a strength below 1
// lcm and tcd lay all their steps in the part of the grid below it, as their classes'
// set_timesteps; the others leave out steps (start_index).
Timetable make_timetable(Sampler sampler, const Schedule& schedule, int num_inference_steps,
                         double strength = 1.0);

// Image to image: the index of the first timestep for `strength` in [0, 1], as diffusers'
// get_timesteps: n - min(int(n * strength), n). Where that leaves no step (strength 0), it is
// timesteps.size(), and sample() returns its latents unchanged. 0 where the timetable was made for
// that strength. Throws Error naming the strength when out of range.
std::size_t start_index(const Timetable& timetable, double strength);

// x0: (B, C, h, w) latents, noise alike -> latents at the noise level of timesteps[begin], in the
// sampler's own scaling (lms and euler: x0 + sigma * noise). x0 itself when begin is
// timesteps.size(). Throws Error naming `begin` when beyond that.
Tensor add_noise_at(const Timetable& timetable, const Schedule& schedule, const Tensor& x0,
                    const Tensor& noise, std::size_t begin);

// latents: (B, C, h, w) alpha x0 + sigma noise, alpha^2 + sigma^2 = 1, at the noise level of the
// first timestep -> the same in the sampler's own scaling (lms and euler: x0 + sigma noise).
Tensor to_sampler_scale(const Timetable& timetable, const Tensor& latents);

struct SamplerControls {
    std::size_t begin = 0;  // first index of timetable.timesteps
    double ddim_eta = 0.0;  // DDIM eq. 16, in [0, 1]; 0 is deterministic, other samplers ignore it
    // TCD's gamma (Zheng et al., arXiv 2402.19159, eq. 12), in [0, 1]; 0 is deterministic.
    // diffusers'.
    double tcd_eta = 0.3;
    // Noise of draws_noise: of one CPU generator for the whole batch, drawn as torch.randn draws
    // it, or of one for each picture, which then is what it is when sampled alone (as diffusers').
    std::vector<at::Generator> generators = {};
    // In their place a graphics card's noise (philox.h) of one seed, or of one for each picture:
    // the step's is the draw after the first noise, which is draw 0.
    std::vector<std::uint64_t> philox_seeds = {};
    // What the latents become after a model call; `next` is the index of the one after it, whose
    // noise level they are at (add_noise_at). For inpainting.
    std::function<Tensor(std::size_t next, const Tensor& latents)> after_call = {};
    // After each model call, with its index and the latents then; for tests, previews.
    std::function<void(std::size_t index, const Tensor& latents)> on_step;
    Monitor* monitor = nullptr;  // reports "render", in model calls
};

// latents: (B, C, h, w) float32, any device, already scaled by init_noise_sigma (or made by
// add_noise_at). Returns the final latents. Runs timetable.timesteps[begin..]; records no
// gradients. Throws Error naming `latents`, `begin`, the eta or `generators` when they do not
// fit, naming the shapes when the denoiser returns another shape, and Cancelled from the monitor.
Tensor sample(const Denoiser& denoise, const Schedule& schedule, const Timetable& timetable,
              Tensor latents, const SamplerControls& controls = {});

}  // namespace keepsake::pipeline
