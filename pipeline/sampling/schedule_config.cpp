// What a scheduler_config.json says.
#include "pipeline/sampling/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "pipeline/error.h"
#include "pipeline/files/json_file.h"

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
    // diffusers writes one number that is not finite, and it has its own reader below.
    const auto is_finite = [&] {
        return found->is_number() && std::isfinite(found->get<double>());
    };
    const bool fits = is_bool      ? found->is_boolean()
                      : is_string  ? found->is_string()
                      : is_integer ? found->is_number_integer()
                                   : is_finite();
    if (!fits) {
        refuse(key, "expected " +
                        std::string(is_bool      ? "true or false"
                                    : is_string  ? "a text"
                                    : is_integer ? "a whole number"
                                                 : "a number") +
                        ", found " + brief(*found));
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

// -infinity, diffusers' default, clips nothing.
void read_lambda_min_clipped(const json& config, double& value) {
    const auto found = config.find("lambda_min_clipped");
    const bool infinite = found != config.end() && found->is_number_float() &&
                          found->get<double>() == -std::numeric_limits<double>::infinity();
    if (infinite)
        value = found->get<double>();
    else
        read(config, "lambda_min_clipped", value);
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
constexpr Choice<NoiseSchedule> noise_schedules[] = {
    {"normal", NoiseSchedule::normal},
    {"karras", NoiseSchedule::karras},
    {"exponential", NoiseSchedule::exponential},
    {"sgm_uniform", NoiseSchedule::sgm_uniform},
    {"ddim_uniform", NoiseSchedule::ddim_uniform},
    {"beta", NoiseSchedule::beta},
    {"ays", NoiseSchedule::ays},
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
    "LCMScheduler",
    "TCDScheduler",
};

// Keys that change the process or the timesteps in a way that is not implemented here.
void refuse_unsupported(const json& config) {
    std::optional<std::string> class_name;
    read(config, "_class_name", class_name);
    if (class_name && std::ranges::find(class_names, *class_name) == std::end(class_names)) {
        refuse("_class_name", "\"" + *class_name + "\" is not supported");
    }
    for (const char* key :
         {"thresholding", "use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting"}) {
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

}  // namespace

PredictionType parse_prediction(std::string_view name) {
    for (const auto& [text, type] : prediction_types)
        if (text == name) return type;
    throw Error("prediction \"" + std::string(name) + "\"",
                "unknown (known: epsilon, v_prediction, sample)");
}

std::string_view prediction_name(PredictionType type) {
    return std::ranges::find(prediction_types, type, &Choice<PredictionType>::value)->text;
}

TimestepSpacing parse_spacing(std::string_view name) {
    for (const auto& [text, spacing] : timestep_spacings)
        if (text == name) return spacing;
    throw Error("timestep spacing \"" + std::string(name) + "\"",
                "unknown (known: leading, linspace, trailing)");
}

std::string_view spacing_name(TimestepSpacing spacing) {
    return std::ranges::find(timestep_spacings, spacing, &Choice<TimestepSpacing>::value)->text;
}

NoiseSchedule parse_schedule(std::string_view name) {
    for (const auto& [text, schedule] : noise_schedules)
        if (text == name) return schedule;
    throw Error("schedule \"" + std::string(name) + "\"",
                "unknown (known: " + schedule_names(", ") + ")");
}

std::string_view schedule_name(NoiseSchedule schedule) {
    return std::ranges::find(noise_schedules, schedule, &Choice<NoiseSchedule>::value)->text;
}

std::vector<NoiseSchedule> all_schedules() {
    std::vector<NoiseSchedule> schedules;
    for (const auto& [text, schedule] : noise_schedules) schedules.push_back(schedule);
    return schedules;
}

std::string schedule_names(std::string_view between) {
    std::string names;
    for (const auto& [text, schedule] : noise_schedules) {
        if (!names.empty()) names += between;
        names += text;
    }
    return names;
}

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
    read(config, "rescale_betas_zero_snr", c.rescale_betas_zero_snr);
    read(config, "set_alpha_to_one", c.set_alpha_to_one);
    read(config, "skip_prk_steps", c.skip_prk_steps);
    read(config, "original_inference_steps", c.original_inference_steps);
    read(config, "timestep_scaling", c.timestep_scaling);
    read(config, "use_karras_sigmas", c.use_karras_sigmas);
    read(config, "use_exponential_sigmas", c.use_exponential_sigmas);
    read(config, "use_beta_sigmas", c.use_beta_sigmas);
    if (c.use_karras_sigmas + c.use_exponential_sigmas + c.use_beta_sigmas > 1)
        refuse("use_karras_sigmas",
               "only one of it, use_exponential_sigmas, use_beta_sigmas may "
               "be true");
    read(config, "sigma_min", c.sigma_min);
    read(config, "sigma_max", c.sigma_max);
    c.final_sigmas_type =
        read_choice(config, "final_sigmas_type", final_sigmas).value_or(c.final_sigmas_type);
    read(config, "algorithm_type", c.algorithm_type);
    read(config, "solver_type", c.solver_type);
    read(config, "solver_order", c.solver_order);
    read(config, "lower_order_final", c.lower_order_final);
    read(config, "euler_at_final", c.euler_at_final);
    read_lambda_min_clipped(config, c.lambda_min_clipped);
    read(config, "predict_x0", c.predict_x0);
    read(config, "disable_corrector", c.disable_corrector);
    check_betas(c);
    if (c.original_inference_steps < 1) refuse("original_inference_steps", "is less than 1");
    if (c.timestep_scaling <= 0) refuse("timestep_scaling", "not above 0");
    if (c.sigma_min.value_or(1) <= 0) refuse("sigma_min", "not above 0");
    if (c.sigma_max.value_or(1) <= 0) refuse("sigma_max", "not above 0");
    return c;
}

ScheduleConfig with_schedule(ScheduleConfig config, NoiseSchedule schedule) {
    const auto timesteps = [&](TimestepSpacing spacing) {
        config.timestep_spacing = spacing;
        config.sigma_spacing = SigmaSpacing::timesteps;
    };
    switch (schedule) {
        case NoiseSchedule::normal:
            timesteps(TimestepSpacing::linspace);
            break;
        case NoiseSchedule::sgm_uniform:
            timesteps(TimestepSpacing::trailing);
            break;
        case NoiseSchedule::ddim_uniform:
            timesteps(TimestepSpacing::leading);
            break;
        case NoiseSchedule::karras:
            config.sigma_spacing = SigmaSpacing::karras;
            break;
        case NoiseSchedule::exponential:
            config.sigma_spacing = SigmaSpacing::exponential;
            break;
        case NoiseSchedule::beta:
            config.sigma_spacing = SigmaSpacing::beta;
            break;
        case NoiseSchedule::ays:
            config.sigma_spacing = SigmaSpacing::ays;
            break;
    }
    return config;
}

ScheduleConfig ScheduleConfig::stable_diffusion(PredictionType prediction_type) {
    ScheduleConfig c;
    c.beta_start = 0.00085;
    c.beta_end = 0.012;
    c.beta_schedule = "scaled_linear";
    c.prediction_type = prediction_type;
    c.set_alpha_to_one = false;
    c.skip_prk_steps = true;
    return c;
}

}  // namespace keepsake::pipeline
