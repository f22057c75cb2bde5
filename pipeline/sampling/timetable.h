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

// alphas_cumprod as the sampler's class in diffusers holds it: with zero terminal SNR those of
// sigmas end at 2^-24 to keep the first sigma finite, and pndm, lms, heun, dpm2, dpm2_a, dpmpp_2s_a
// and dpmpp_sde do not rescale at all.
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

// How this sampler's sigmas are laid out: as asked for, else as its class reads the file.
SigmaSpacing sigma_spacing_of(const ScheduleConfig& config, Sampler sampler);

// `count` sigmas from highest to lowest, of every spacing but `timesteps`. karras with rho 7;
// beta with alpha = beta = 0.6; ays between 14.615 and its last sigma but one whatever the ends.
struct SigmaEnds {
    double highest, lowest;
};
std::vector<double> spaced_sigmas(SigmaSpacing spacing, const SigmaEnds& ends, int count);

// The value below which a share p in [0, 1] of the beta distribution B(a, b) lies; a and b above 0.
double beta_quantile(double p, double a, double b);

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

// The timetable of euler, lms and their kin, one call a step: sigmas end with zero, or with
// sigma_min where the config says so (euler).
Timetable sigma_timetable(Sampler sampler, const Schedule& schedule, int count);

// Of dpmpp_2m, dpmpp_2m_sde and unipc: whole timesteps below `range`, one more than asked for
// without the last, which is the end of the last step.
Timetable multistep_timetable(Sampler sampler, const Schedule& schedule, int count,
                              std::int64_t range);

// How many timesteps, from 0 up, have a half log-SNR of at least lambda_min_clipped: the cosine
// schedule needs its noisiest end cut off (dpmpp_2m, dpmpp_2m_sde). Throws Error where none has.
std::int64_t dpmpp_range(Sampler sampler, const Schedule& schedule);

// sigma_timetable with a second call in each step but the last: at the next sigma (heun), or half
// way in log sigma to it (dpm2, dpmpp_sde) or to the lower one that ancestral sampling goes down to
// (dpm2_a, dpmpp_2s_a).
enum class SecondCall { at_next, half_way, half_way_down };
Timetable two_call_timetable(Sampler sampler, const Schedule& schedule, int count, SecondCall at);

}  // namespace keepsake::pipeline
