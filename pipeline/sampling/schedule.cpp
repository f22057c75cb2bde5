#include "pipeline/sampling/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>
#include <string_view>

#include "pipeline/error.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;

constexpr std::string_view config_name = "scheduler_config.json";

[[noreturn]] void refuse(std::string_view key, std::string_view why) {
    throw Error(std::string(config_name) + ", " + std::string(key), why);
}

// Sets `value` from `key` when the file has it; null counts as absent, as in diffusers' own files.
template <typename T>
void read(const json& config, const char* key, T& value) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return;
    constexpr bool is_bool = std::is_same_v<T, bool>;
    constexpr bool is_string = std::is_same_v<T, std::string>;
    constexpr bool is_integer = std::is_same_v<T, std::int64_t>;
    const bool fits = is_bool      ? found->is_boolean()
                      : is_string  ? found->is_string()
                      : is_integer ? found->is_number_integer()
                                   : found->is_number();
    if (!fits) {
        refuse(key, "expected " +
                        std::string(is_bool      ? "true or false"
                                    : is_string  ? "a text"
                                    : is_integer ? "a whole number"
                                                 : "a number") +
                        ", found " + found->dump());
    }
    value = found->get<T>();
}

template <typename T>
void read(const json& config, const char* key, std::optional<T>& value) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return;
    T present{};
    read(config, key, present);
    value = present;
}

void read(const json& config, const char* key, std::vector<double>& value) {
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) return;
    const auto is_number = [](const json& element) { return element.is_number(); };
    if (!found->is_array() || !std::all_of(found->begin(), found->end(), is_number)) {
        refuse(key, "expected a list of numbers");
    }
    value = found->get<std::vector<double>>();
}

template <typename T>
struct Choice {
    std::string_view text;
    T value;
};

// The value that `key` names among `choices`; empty when the file is silent.
template <typename T, std::size_t N>
std::optional<T> read_choice(const json& config, const char* key, const Choice<T> (&choices)[N]) {
    std::optional<std::string> text;
    read(config, key, text);
    if (!text) return std::nullopt;
    std::string known;
    for (const auto& choice : choices) {
        if (choice.text == *text) return choice.value;
        known += (known.empty() ? "" : ", ") + std::string(choice.text);
    }
    refuse(key, "\"" + *text + "\" is not supported (known: " + known + ")");
}

constexpr Choice<PredictionType> prediction_types[] = {
    {"epsilon", PredictionType::epsilon},
    {"v_prediction", PredictionType::v_prediction},
    {"sample", PredictionType::sample},
};
constexpr Choice<TimestepSpacing> timestep_spacings[] = {
    {"leading", TimestepSpacing::leading},
    {"linspace", TimestepSpacing::linspace},
    {"trailing", TimestepSpacing::trailing},
};
constexpr Choice<FinalSigma> final_sigmas[] = {
    {"zero", FinalSigma::zero},
    {"sigma_min", FinalSigma::sigma_min},
};
constexpr Choice<std::string_view> beta_schedules[] = {
    {"linear", "linear"},
    {"scaled_linear", "scaled_linear"},
    {"squaredcos_cap_v2", "squaredcos_cap_v2"},
};
// diffusers' KarrasDiffusionSchedulers: the classes whose files describe one and the same schedule.
// Others (flow matching, EDM, consistency models) mean another process by the same keys.
constexpr std::string_view class_names[] = {
    "PNDMScheduler",
    "DDIMScheduler",
    "DDPMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DPMSolverSDEScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
};

// Keys that change the process or the timesteps in a way that is not implemented here.
void refuse_unsupported(const json& config) {
    std::optional<std::string> class_name;
    read(config, "_class_name", class_name);
    if (class_name && std::ranges::find(class_names, *class_name) == std::end(class_names)) {
        refuse("_class_name", "\"" + *class_name + "\" is not supported");
    }
    for (const char* key : {"thresholding", "use_exponential_sigmas", "use_beta_sigmas",
                            "use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting"}) {
        bool on = false;
        read(config, key, on);
        if (on) refuse(key, "true is not supported");
    }
    constexpr std::array<std::array<const char*, 2>, 2> only = {
        {{"timestep_type", "discrete"}, {"interpolation_type", "linear"}}};
    for (const auto& [key, supported] : only) {
        std::string text = supported;
        read(config, key, text);
        if (text != supported) refuse(key, "\"" + text + "\" is not supported");
    }
    std::string variance_type;
    read(config, "variance_type", variance_type);
    if (variance_type.starts_with("learned")) {
        refuse("variance_type", "\"" + variance_type + "\" is not supported");
    }
}

// Nichol & Dhariwal, arXiv 2102.09672, eq. 17, in double as diffusers' betas_for_alpha_bar.
Tensor cosine_betas(std::int64_t count) {
    const auto alpha_bar = [](double t) {
        const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
        return c * c;
    };
    Tensor betas = at::empty({count}, at::kFloat);
    const auto n = static_cast<double>(count);
    for (std::int64_t i = 0; i < count; ++i) {
        const double i_d = static_cast<double>(i);
        const double beta = std::min(1 - alpha_bar((i_d + 1) / n) / alpha_bar(i_d / n), 0.999);
        betas.data_ptr<float>()[i] = static_cast<float>(beta);
    }
    return betas;
}

// Lin et al., arXiv 2305.08891, algorithm 1: the last timestep carries no signal.
Tensor rescale_zero_terminal_snr(const Tensor& betas) {
    Tensor root = at::cumprod(1.0 - betas, 0).sqrt();
    const Tensor first = root[0].clone();
    const Tensor last = root[-1].clone();
    root = (root - last) * (first / (first - last));
    const Tensor product = root.square();
    const Tensor alphas =
        at::cat({product.slice(0, 0, 1), product.slice(0, 1) / product.slice(0, 0, -1)});
    return 1.0 - alphas;
}

Tensor make_betas(const ScheduleConfig& config) {
    const std::int64_t n = config.num_train_timesteps;
    if (!config.trained_betas.empty()) {
        return at::tensor(config.trained_betas, at::kDouble).to(at::kFloat);
    }
    if (config.beta_schedule == "linear") {
        return at::linspace(config.beta_start, config.beta_end, n, at::kFloat);
    }
    if (config.beta_schedule == "scaled_linear") {
        return at::linspace(std::sqrt(config.beta_start), std::sqrt(config.beta_end), n, at::kFloat)
            .square();
    }
    if (config.beta_schedule == "squaredcos_cap_v2") return cosine_betas(n);
    refuse("beta_schedule", "\"" + config.beta_schedule + "\" is not supported");
}

void check_betas(const ScheduleConfig& config) {
    constexpr std::int64_t most = 1'000'000;
    if (config.num_train_timesteps < 1 || config.num_train_timesteps > most) {
        refuse("num_train_timesteps", std::to_string(config.num_train_timesteps) +
                                          " is not between 1 and " + std::to_string(most));
    }
    const auto check = [](std::string_view key, double beta) {
        if (!(beta > 0 && beta < 1)) refuse(key, std::to_string(beta) + " is not between 0 and 1");
    };
    if (config.trained_betas.empty()) {
        check("beta_start", config.beta_start);
        check("beta_end", config.beta_end);
        return;
    }
    if (std::ssize(config.trained_betas) != config.num_train_timesteps) {
        refuse("trained_betas", std::to_string(config.trained_betas.size()) + " values for " +
                                    std::to_string(config.num_train_timesteps) +
                                    " num_train_timesteps");
    }
    for (const double beta : config.trained_betas) check("trained_betas", beta);
}

// sqrt(a_t) and sqrt(1 - a_t) of each sample, shaped to multiply `like`. Roots are taken in float32
// on the CPU, where the table is, whatever the dtype of the latents.
struct Roots {
    Tensor signal, noise;
};
Roots roots_at(const Tensor& alphas_cumprod, const Tensor& timesteps, const Tensor& like) {
    if (timesteps.scalar_type() != at::kLong || timesteps.dim() != 1 || like.dim() < 1 ||
        timesteps.size(0) != like.size(0)) {
        throw Error("timesteps", "expected int64 of shape (" +
                                     std::to_string(like.dim() ? like.size(0) : 0) + ",), found " +
                                     std::string(at::toString(timesteps.scalar_type())) + " " +
                                     c10::str(timesteps.sizes()));
    }
    const Tensor index = timesteps.detach().to(at::kCPU).contiguous();
    for (std::int64_t i = 0; i < index.numel(); ++i) {
        const std::int64_t t = index.data_ptr<std::int64_t>()[i];
        if (t < 0 || t >= alphas_cumprod.size(0)) {
            throw Error("timesteps", std::to_string(t) + " is not in [0, " +
                                         std::to_string(alphas_cumprod.size(0)) + ")");
        }
    }
    const Tensor a = alphas_cumprod.index_select(0, index);
    std::vector<std::int64_t> shape(static_cast<std::size_t>(like.dim()), 1);
    shape[0] = index.numel();
    return {a.sqrt().reshape(shape).to(like.options()),
            (1 - a).sqrt().reshape(shape).to(like.options())};
}

}  // namespace

ScheduleConfig ScheduleConfig::from_json(const json& config) {
    if (!config.is_object()) throw Error(config_name, "expected a JSON object");
    refuse_unsupported(config);
    ScheduleConfig c;
    read(config, "num_train_timesteps", c.num_train_timesteps);
    read(config, "beta_start", c.beta_start);
    read(config, "beta_end", c.beta_end);
    c.beta_schedule = read_choice(config, "beta_schedule", beta_schedules).value_or("linear");
    read(config, "trained_betas", c.trained_betas);
    c.prediction_type =
        read_choice(config, "prediction_type", prediction_types).value_or(c.prediction_type);
    c.timestep_spacing = read_choice(config, "timestep_spacing", timestep_spacings);
    read(config, "steps_offset", c.steps_offset);
    read(config, "rescale_betas_zero_snr", c.rescale_betas_zero_snr);
    read(config, "set_alpha_to_one", c.set_alpha_to_one);
    read(config, "skip_prk_steps", c.skip_prk_steps);
    read(config, "clip_sample", c.clip_sample);
    read(config, "clip_sample_range", c.clip_sample_range);
    read(config, "use_karras_sigmas", c.use_karras_sigmas);
    read(config, "sigma_min", c.sigma_min);
    read(config, "sigma_max", c.sigma_max);
    c.final_sigmas_type =
        read_choice(config, "final_sigmas_type", final_sigmas).value_or(c.final_sigmas_type);
    read(config, "algorithm_type", c.algorithm_type);
    read(config, "solver_type", c.solver_type);
    read(config, "solver_order", c.solver_order);
    read(config, "lower_order_final", c.lower_order_final);
    read(config, "euler_at_final", c.euler_at_final);
    read(config, "lambda_min_clipped", c.lambda_min_clipped);
    check_betas(c);
    if (c.steps_offset < 0 || c.steps_offset >= c.num_train_timesteps) {
        refuse("steps_offset", std::to_string(c.steps_offset) + " is not in [0, " +
                                   std::to_string(c.num_train_timesteps) + ")");
    }
    if (!(c.clip_sample_range > 0)) refuse("clip_sample_range", "not above 0");
    return c;
}

ScheduleConfig ScheduleConfig::stable_diffusion(PredictionType prediction_type) {
    ScheduleConfig c;
    c.beta_start = 0.00085;
    c.beta_end = 0.012;
    c.beta_schedule = "scaled_linear";
    c.prediction_type = prediction_type;
    c.steps_offset = 1;
    c.set_alpha_to_one = false;
    c.skip_prk_steps = true;
    c.clip_sample = false;
    return c;
}

Tensor compute_alphas_cumprod(const ScheduleConfig& config) {
    check_betas(config);
    Tensor betas = make_betas(config);
    if (config.rescale_betas_zero_snr) betas = rescale_zero_terminal_snr(betas);
    return at::cumprod(1.0 - betas, 0);
}

Schedule::Schedule(ScheduleConfig config_)
    : config(std::move(config_)), alphas_cumprod(compute_alphas_cumprod(config)) {}

Tensor Schedule::add_noise(const Tensor& x0, const Tensor& noise, const Tensor& timesteps) const {
    const Roots roots = roots_at(alphas_cumprod, timesteps, x0);
    return roots.signal * x0 + roots.noise * noise;
}

Tensor Schedule::target(const Tensor& x0, const Tensor& noise, const Tensor& timesteps) const {
    const Roots roots = roots_at(alphas_cumprod, timesteps, x0);
    switch (config.prediction_type) {
        case PredictionType::epsilon:
            return noise;
        case PredictionType::sample:
            return x0;
        case PredictionType::v_prediction:
            return roots.signal * noise - roots.noise * x0;
    }
    throw Error("prediction_type", "unknown");
}

}  // namespace keepsake::pipeline
