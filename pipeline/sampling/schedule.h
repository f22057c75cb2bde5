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

    // euler, lms and dpmpp_2m
    bool use_karras_sigmas = false;                   // Karras et al., arXiv 2206.00364, eq. 5
    std::optional<double> sigma_min, sigma_max;       // ends of the Karras sigmas (euler, dpmpp_2m)
    FinalSigma final_sigmas_type = FinalSigma::zero;  // euler, dpmpp_2m

    // dpmpp_2m
    std::string algorithm_type = "dpmsolver++";
    std::string solver_type = "midpoint";
    std::int64_t solver_order = 2;
    bool lower_order_final = true;
    bool euler_at_final = false;
    double lambda_min_clipped = -std::numeric_limits<double>::infinity();  // least log-SNR / 2 used

    // From a diffusers scheduler_config.json (of any class that Stable Diffusion's pipelines take).
    // Throws Error naming the key whose value is of the wrong kind, out of range or not supported.
    static ScheduleConfig from_json(const nlohmann::json& config);
    // Stable Diffusion's, for checkpoints without such a file (LDM v1-inference.yaml; the rest as
    // v1-5's scheduler_config.json): scaled_linear 0.00085 to 0.012, offset 1, each sampler's
    // spacing.
    static ScheduleConfig stable_diffusion(PredictionType prediction_type);
};

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
