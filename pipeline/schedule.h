// The noise schedule of a diffusion model (DDPM, Ho et al., arXiv 2006.11239) and its timesteps.
#pragma once

#include <ATen/ATen.h>

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace keepsake::pipeline {

using at::Tensor;

enum class PredictionType { epsilon, v_prediction, sample };
enum class TimestepSpacing { leading, linspace, trailing };

// What scheduler/scheduler_config.json says. Defaults are diffusers' own where the file is silent.
struct ScheduleConfig {
    std::int64_t num_train_timesteps = 1000;
    double beta_start = 0.0001;
    double beta_end = 0.02;
    std::string beta_schedule = "linear";  // linear, scaled_linear, squaredcos_cap_v2
    std::vector<double> trained_betas;     // used instead of the above when not empty
    PredictionType prediction_type = PredictionType::epsilon;
    std::optional<TimestepSpacing> timestep_spacing;  // none: each sampler's own default
    std::int64_t steps_offset = 0;
    std::optional<bool> set_alpha_to_one;  // none: each sampler's own default
    bool skip_prk_steps = false;
    bool clip_sample = false;  // Stable Diffusion's configs say false
    double clip_sample_range = 1.0;
    bool rescale_betas_zero_snr = false;

    // From a diffusers scheduler_config.json. Throws Error naming a key that is not supported.
    static ScheduleConfig from_json(const nlohmann::json& config);
    // Stable Diffusion's (LDM v1-inference.yaml): scaled_linear 0.00085 to 0.012, offset 1, leading.
    static ScheduleConfig stable_diffusion(PredictionType prediction_type);
};

// The schedule over the training timesteps.
struct Schedule {
    ScheduleConfig config;
    Tensor alphas_cumprod;  // (num_train_timesteps) float32 on CPU, computed as diffusers does

    explicit Schedule(ScheduleConfig config_);

    // DDPM eq. 4: sqrt(a_t) x0 + sqrt(1 - a_t) noise. x0, noise: (B, ...) ; timesteps: (B) int64.
    Tensor add_noise(const Tensor& x0, const Tensor& noise, const Tensor& timesteps) const;
    // What the model is trained to predict: noise, v = sqrt(a_t) noise - sqrt(1 - a_t) x0 (Salimans &
    // Ho, arXiv 2202.00512, sec. 4), or x0. Shapes as add_noise.
    Tensor target(const Tensor& x0, const Tensor& noise, const Tensor& timesteps) const;
};

}  // namespace keepsake::pipeline
