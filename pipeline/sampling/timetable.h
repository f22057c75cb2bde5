// How the samplers' timesteps and sigmas are laid out. Every number is rounded where diffusers
// rounds it, so that the tables are equal, not only close.
#pragma once

#include <vector>

#include "pipeline/sampling/samplers.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::pipeline {

// The nearest float32 value. Schedules are computed in double and rounded by this.
double to_float(double value);

// alphas_cumprod as float32 values in double.
std::vector<double> to_doubles(const Tensor& values);

// alphas_cumprod as the sampler's class in diffusers holds it: with zero terminal SNR, euler and
// dpmpp_2m end at 2^-24 to keep the first sigma finite, and pndm and lms do not rescale at all.
std::vector<double> alphas_cumprod_of(Sampler sampler, const Schedule& schedule);

// sqrt((1 - a) / a) of each timestep, ascending, as float32 values.
std::vector<double> training_sigmas(const std::vector<double>& alphas_cumprod);

struct SpacedTimesteps {
    std::int64_t range = 1000;  // timesteps in [0, range) are used
    int count = 50;
    std::int64_t offset = 0;  // added by `leading`
    double stride = 20;       // of `trailing`
};
// `count` timesteps, descending (Lin et al., arXiv 2305.08891, table 2). linspace is not rounded.
std::vector<double> spaced_timesteps(TimestepSpacing spacing, const SpacedTimesteps& options);

// The spacing of a whole config over its own range, rounded to whole timesteps (ddim, pndm).
std::vector<double> whole_timesteps(const ScheduleConfig& config, TimestepSpacing default_spacing,
                                    int count);

// sigmas (ascending, one per training timestep) at fractional timesteps, linearly, clamped at the
// ends.
std::vector<double> interpolate_sigmas(const std::vector<double>& sigmas,
                                       const std::vector<double>& timesteps);

// Karras et al., arXiv 2206.00364, eq. 5 with rho 7: `count` sigmas from highest to lowest.
std::vector<double> karras_sigmas(double sigma_max, double sigma_min, int count);

// The fractional timestep whose sigma, linear in log sigma, is `sigma`.
double sigma_to_timestep(const std::vector<double>& sigmas, double sigma);

// The timetable of samplers for distilled models (lcm, tcd): `count` of the
// original_inference_steps on which such a model is trained, evenly spaced, of those below
// `strength` (Luo et al., arXiv 2310.04378, sec. 4.3). A strength that leaves none gives the whole
// grid's. Throws Error naming `num_inference_steps` when it is more than are left.
Timetable distilled_timetable(Sampler sampler, const Schedule& schedule, int count,
                              double strength);

// Throws Error naming rescale_betas_zero_snr where the first timestep is all noise, of which
// "epsilon" says nothing (ddim, lcm, tcd).
void check_terminal_noise(const ScheduleConfig& config, const Timetable& table);

// The timetable of euler and lms: sigmas end with zero, or with sigma_min where the config says so.
Timetable sigma_timetable(Sampler sampler, const Schedule& schedule, int count);

}  // namespace keepsake::pipeline
