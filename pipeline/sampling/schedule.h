// The noise schedule of a diffusion model (DDPM, Ho et al., arXiv 2006.11239) and its timesteps.
#pragma once

#include <ATen/ATen.h>

#include <limits>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

using at::Tensor;

enum class PredictionType { epsilon, v_prediction, sample };
// "epsilon", "v_prediction", "sample". parse_prediction throws Error naming the text and the
// choices.
PredictionType parse_prediction(std::string_view name);
std::string_view prediction_name(PredictionType type);

enum class TimestepSpacing { leading, linspace, trailing };
// "leading", "linspace", "trailing". parse_spacing throws Error naming the text and the choices.
TimestepSpacing parse_spacing(std::string_view name);
std::string_view spacing_name(TimestepSpacing spacing);
enum class FinalSigma { zero, sigma_min };

// Where the noise levels of samplers that have sigmas lie: those of the timesteps, or between the
// first and the last of these by a rule of their own.
enum class SigmaSpacing {
    timesteps,
    karras,       // Karras et al., arXiv 2206.00364, eq. 5
    exponential,  // evenly in log sigma: k-diffusion's get_sigmas_exponential
    beta,         // quantiles of a beta distribution: Lee et al., arXiv 2407.12173
    ays,          // Sabour, Fidler, Kreis, "Align Your Steps", arXiv 2404.14507, of SD 1.5
};

// What people call a schedule: one of the above, or one of TimestepSpacing by another name.
enum class NoiseSchedule {
    normal,        // timesteps evenly from the last to 0: linspace
    sgm_uniform,   // from the last, the end left out: trailing
    ddim_uniform,  // leading
    karras,
    exponential,
    beta,
    ays
};
// "normal", "sgm_uniform", ... parse_schedule throws Error naming the text and the choices.
NoiseSchedule parse_schedule(std::string_view name);
std::string_view schedule_name(NoiseSchedule schedule);
std::vector<NoiseSchedule> all_schedules();
// "normal, sgm_uniform, ...", for what a person reads.
std::string schedule_names(std::string_view between);

// What scheduler/scheduler_config.json says, as diffusers' StableDiffusionPipeline takes it.
// Defaults are diffusers' own where the file is silent;
// an optional is empty where diffusers' classes differ, so that each sampler takes its own class's.
// A key that a sampler's class in diffusers does not know has no effect on that sampler.
struct ScheduleConfig {
    std::int64_t num_train_timesteps = 1000;
    double beta_start = 0.0001;
    double beta_end = 0.02;
    std::string beta_schedule = "linear";  // linear, scaled_linear, squaredcos_cap_v2
    std::vector<double> trained_betas;     // used instead of the above when not empty
    PredictionType prediction_type = PredictionType::epsilon;
    std::optional<TimestepSpacing> timestep_spacing;  // ddim, pndm: leading; the others: linspace
    // Whatever the file says: StableDiffusionPipeline sets 1, and turns DDIM's clip_sample off.
    std::int64_t steps_offset = 1;
    bool rescale_betas_zero_snr =
        false;  // Lin et al., arXiv 2305.08891, algorithm 1; not pndm, lms

    // ddim and pndm
    std::optional<bool> set_alpha_to_one;  // ddim: true; pndm: false
    bool skip_prk_steps = false;           // pndm: Stable Diffusion's configs say true

    // lcm and tcd: on how many timesteps, evenly spaced, a model was distilled, and how fast LCM's
    // boundary condition leaves timestep 0
    std::int64_t original_inference_steps = 50;
    double timestep_scaling = 10.0;

    // Samplers with sigmas; not euler_a and dpmpp_3m_sde, whose spacing is sigma_spacing alone.
    bool use_karras_sigmas = false;
    bool use_exponential_sigmas = false;
    bool use_beta_sigmas = false;
    // Asked for in their place, of every sampler with sigmas; empty: as the three above say.
    std::optional<SigmaSpacing> sigma_spacing;
    // Ends of these sigmas, and what the last step ends at: euler, dpmpp_2m, dpmpp_2m_sde, unipc.
    std::optional<double> sigma_min, sigma_max;
    FinalSigma final_sigmas_type = FinalSigma::zero;

    // dpmpp_2m, dpmpp_2m_sde (solver_type, the last steps), unipc (solver_type, solver_order, the
    // last steps)
    std::string algorithm_type = "dpmsolver++";
    std::string solver_type = "midpoint";
    std::int64_t solver_order = 2;
    bool lower_order_final = true;
    bool euler_at_final = false;
    double lambda_min_clipped = -std::numeric_limits<double>::infinity();  // least log-SNR / 2 used

    // unipc
    bool predict_x0 = true;
    std::vector<double> disable_corrector;  // indices of steps that are not corrected

    // From a diffusers scheduler_config.json (of any class that Stable Diffusion's pipelines take).
    // Throws Error naming the key whose value is of the wrong kind, out of range or not supported.
    static ScheduleConfig from_json(const nlohmann::json& config);
    // Stable Diffusion's, for checkpoints without such a file (LDM v1-inference.yaml; the rest as
    // v1-5's scheduler_config.json): scaled_linear 0.00085 to 0.012, offset 1, each sampler's
    // spacing.
    static ScheduleConfig stable_diffusion(PredictionType prediction_type);
};

// The same, laid out as people know it by this name.
ScheduleConfig with_schedule(ScheduleConfig config, NoiseSchedule schedule);

// Throws Error naming the key when the betas do not make a schedule.
void check_betas(const ScheduleConfig& config);

// Product of (1 - beta) up to each timestep: (num_train_timesteps) float32 on CPU, in diffusers'
// order of operations and of rounding, the same on every processor. Throws as check_betas.
Tensor compute_alphas_cumprod(const ScheduleConfig& config);

// The schedule over the training timesteps.
struct Schedule {
    ScheduleConfig config;
    Tensor alphas_cumprod;  // (num_train_timesteps) float32 on CPU, of compute_alphas_cumprod

    explicit Schedule(ScheduleConfig config_);

    // DDPM eq. 4: sqrt(a_t) x0 + sqrt(1 - a_t) noise. x0, noise: (B, ...) floating, any device;
    // timesteps: (B) int64, any device. Returns x0's shape, dtype and device; differentiable in x0
    // and noise. Throws Error naming `timesteps` when their count, dtype or range is wrong.
    Tensor add_noise(const Tensor& x0, const Tensor& noise, const Tensor& timesteps) const;
    // What the model is trained to predict: noise, v = sqrt(a_t) noise - sqrt(1 - a_t) x0 (Salimans
    // & Ho, arXiv 2202.00512, sec. 4), or x0. Shapes, dtypes and errors as add_noise.
    Tensor target(const Tensor& x0, const Tensor& noise, const Tensor& timesteps) const;
};

}  // namespace keepsake::pipeline
