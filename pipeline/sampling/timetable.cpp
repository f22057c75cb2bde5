#include "pipeline/sampling/timetable.h"

#include <algorithm>
#include <cmath>

#include "pipeline/sampling/sampler_run.h"

namespace keepsake::pipeline {

namespace {

bool knows_zero_snr(Sampler sampler) {
    switch (sampler) {
        case Sampler::pndm:
        case Sampler::lms:
        case Sampler::heun:
        case Sampler::dpm2:
        case Sampler::dpm2_a:
        case Sampler::dpmpp_2s_a:
        case Sampler::dpmpp_sde:
            return false;
        default:
            return true;
    }
}

// The classes that know sigma_min, sigma_max and final_sigmas_type.
bool knows_sigma_ends(Sampler sampler) {
    return sampler == Sampler::euler || sampler == Sampler::dpmpp_2m ||
           sampler == Sampler::dpmpp_2m_sde || sampler == Sampler::unipc;
}

}  // namespace

double to_float(double value) {
    return static_cast<double>(static_cast<float>(value));
}

std::vector<double> to_doubles(const Tensor& values) {
    const Tensor flat = values.to(at::kCPU, at::kDouble).contiguous();
    return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

std::vector<double> alphas_cumprod_of(Sampler sampler, const Schedule& schedule) {
    if (!schedule.config.rescale_betas_zero_snr) return to_doubles(schedule.alphas_cumprod);
    if (!knows_zero_snr(sampler)) {
        ScheduleConfig plain = schedule.config;
        plain.rescale_betas_zero_snr = false;
        return to_doubles(compute_alphas_cumprod(plain));
    }
    std::vector<double> alphas = to_doubles(schedule.alphas_cumprod);
    if (has_sigmas(sampler)) {
        alphas.back() = std::ldexp(1.0, -24);
    }
    return alphas;
}

std::vector<double> training_sigmas(const std::vector<double>& alphas_cumprod) {
    // Rounded to float32 throughout, as the reference: it shows at a sigma of 4096.
    std::vector<double> sigmas;
    for (const double a : alphas_cumprod)
        sigmas.push_back(to_float(std::sqrt(to_float(to_float(1 - a) / a))));
    return sigmas;
}

std::vector<double> spaced_timesteps(TimestepSpacing spacing, const SpacedTimesteps& options) {
    const int count = options.count;
    std::vector<double> t;
    if (spacing == TimestepSpacing::trailing) {
        // numpy.arange(range, 0, -stride): its own count and its own rounding of the stride.
        const double top = static_cast<double>(options.range);
        const double step = (top - options.stride) - top;
        const auto length = static_cast<int>(std::ceil(top / options.stride));
        for (int i = 0; i < length; ++i) t.push_back(std::nearbyint(top + i * step) - 1);
        // By rounding of the stride arange may run once too far (61 steps of 1000): that -1 would
        // read the noisiest alpha, so it is dropped. The reference keeps it.
        if (t.back() < 0) t.pop_back();
        return t;
    }
    const double top = static_cast<double>(options.range - 1);
    for (int i = count - 1; i >= 0; --i) {
        if (spacing == TimestepSpacing::leading) {
            t.push_back(static_cast<double>(i * (options.range / count) + options.offset));
        } else if (count > 1 && i == count - 1) {
            t.push_back(top);  // numpy.linspace sets its last point
        } else {
            t.push_back(count > 1 ? i * (top / (count - 1)) : 0.0);
        }
    }
    return t;
}

std::vector<double> whole_timesteps(const ScheduleConfig& config, TimestepSpacing default_spacing,
                                    int count) {
    const std::int64_t range = config.num_train_timesteps;
    std::vector<double> timesteps =
        spaced_timesteps(config.timestep_spacing.value_or(default_spacing),
                         {.range = range,
                          .count = count,
                          .offset = config.steps_offset,
                          .stride = static_cast<double>(range) / count});
    for (double& t : timesteps) t = std::nearbyint(t);  // half to even, as numpy
    return timesteps;
}

Timetable distilled_timetable(Sampler sampler, const Schedule& schedule, int count,
                              double strength) {
    const std::int64_t range = schedule.config.num_train_timesteps;
    const std::int64_t original = schedule.config.original_inference_steps;
    const std::string name(sampler_name(sampler));
    if (original > range) {
        throw Error("scheduler_config.json, original_inference_steps",
                    std::to_string(original) + " is more than the model's " +
                        std::to_string(range) + " num_train_timesteps");
    }
    Timetable table{.sampler = sampler, .num_inference_steps = count};
    auto left = static_cast<std::int64_t>(static_cast<double>(original) * strength);
    if (left == 0)
        left = original;
    else
        table.strength = strength;
    if (count > left) {
        throw Error("num_inference_steps", std::to_string(count) + " is more than the " +
                                               std::to_string(left) + " timesteps of " + name +
                                               "'s grid" +
                                               (left < original ? " below the strength" : ""));
    }
    // numpy.linspace(0, left, count, endpoint=False), its floors taken from the grid's noisy end.
    const double step = static_cast<double>(left) / count;
    for (int i = 0; i < count; ++i) {
        const auto index = static_cast<std::int64_t>(i * step);
        table.timesteps.push_back(static_cast<double>((left - index) * (range / original) - 1));
    }
    check_terminal_noise(schedule.config, table);
    return table;
}

void check_terminal_noise(const ScheduleConfig& config, const Timetable& table) {
    if (config.prediction_type != PredictionType::epsilon || !config.rescale_betas_zero_snr) return;
    if (table.timesteps.front() != static_cast<double>(config.num_train_timesteps - 1)) return;
    throw Error("scheduler_config.json, rescale_betas_zero_snr",
                "the last timestep is all noise, where prediction_type \"epsilon\" tells nothing "
                "about the picture");
}

std::vector<double> interpolate_sigmas(const std::vector<double>& sigmas,
                                       const std::vector<double>& timesteps) {
    std::vector<double> result;
    const double last = static_cast<double>(sigmas.size() - 1);
    for (const double t : timesteps) {
        const double at = std::clamp(t, 0.0, last);
        const auto low = static_cast<std::size_t>(at);
        const std::size_t high = std::min(low + 1, sigmas.size() - 1);
        result.push_back((sigmas[high] - sigmas[low]) * (at - static_cast<double>(low)) +
                         sigmas[low]);
    }
    return result;
}

SigmaSpacing sigma_spacing_of(const ScheduleConfig& config, Sampler sampler) {
    if (config.sigma_spacing) return *config.sigma_spacing;
    // Their classes have no such keys.
    if (sampler == Sampler::euler_a || sampler == Sampler::dpmpp_3m_sde)
        return SigmaSpacing::timesteps;
    return config.use_karras_sigmas        ? SigmaSpacing::karras
           : config.use_exponential_sigmas ? SigmaSpacing::exponential
           : config.use_beta_sigmas        ? SigmaSpacing::beta
                                           : SigmaSpacing::timesteps;
}

double sigma_to_timestep(const std::vector<double>& sigmas, double sigma) {
    const auto log_float = [](double s) { return to_float(std::log(to_float(s))); };
    const double wanted = std::log(std::max(sigma, 1e-10));
    std::size_t low = 0;
    while (low + 2 < sigmas.size() && log_float(sigmas[low + 1]) <= wanted) ++low;
    const double below = log_float(sigmas[low]);
    const double above = log_float(sigmas[low + 1]);
    const double w = std::clamp((below - wanted) / (below - above), 0.0, 1.0);
    return (1 - w) * static_cast<double>(low) + w * static_cast<double>(low + 1);
}

Timetable sigma_timetable(Sampler sampler, const Schedule& schedule, int count) {
    const ScheduleConfig& config = schedule.config;
    const TimestepSpacing spacing = config.timestep_spacing.value_or(TimestepSpacing::linspace);
    const std::vector<double> all = training_sigmas(alphas_cumprod_of(sampler, schedule));
    const std::int64_t range = config.num_train_timesteps;
    Timetable table{.sampler = sampler, .num_inference_steps = count};
    table.timesteps = spaced_timesteps(spacing, {.range = range,
                                                 .count = count,
                                                 .offset = config.steps_offset,
                                                 .stride = static_cast<double>(range) / count});
    for (double& t : table.timesteps) t = to_float(t);
    table.sigmas = interpolate_sigmas(all, table.timesteps);
    const SigmaSpacing sigmas = sigma_spacing_of(config, sampler);
    if (sigmas != SigmaSpacing::timesteps) {
        SigmaEnds ends{table.sigmas.front(), table.sigmas.back()};
        if (knows_sigma_ends(sampler))
            ends = {config.sigma_max.value_or(ends.highest),
                    config.sigma_min.value_or(ends.lowest)};
        table.sigmas = spaced_sigmas(sigmas, ends, count);
        table.timesteps.clear();
        // dpm2's and dpm2_a's classes alone have Karras' sigmas at whole timesteps.
        const bool whole = (sampler == Sampler::dpm2 || sampler == Sampler::dpm2_a) &&
                           sigmas == SigmaSpacing::karras;
        for (const double s : table.sigmas) {
            const double t = sigma_to_timestep(all, s);
            table.timesteps.push_back(to_float(whole ? std::nearbyint(t) : t));
        }
    }
    const bool to_lowest =
        knows_sigma_ends(sampler) && config.final_sigmas_type == FinalSigma::sigma_min;
    table.sigmas.push_back(to_lowest ? all.front() : 0.0);
    for (double& s : table.sigmas) s = to_float(s);
    const double highest = *std::max_element(table.sigmas.begin(), table.sigmas.end());
    const bool leading = spacing == TimestepSpacing::leading;
    table.init_noise_sigma = leading ? std::sqrt(highest * highest + 1) : highest;
    return table;
}

Timetable multistep_timetable(Sampler sampler, const Schedule& schedule, int count,
                              std::int64_t range) {
    const ScheduleConfig& config = schedule.config;
    const std::vector<double> all = training_sigmas(alphas_cumprod_of(sampler, schedule));
    const TimestepSpacing spacing = config.timestep_spacing.value_or(TimestepSpacing::linspace);
    const bool trailing = spacing == TimestepSpacing::trailing;
    Timetable table{.sampler = sampler, .num_inference_steps = count};
    table.timesteps = spaced_timesteps(
        spacing, {.range = range,
                  .count = trailing ? count : count + 1,
                  .offset = config.steps_offset,
                  .stride = static_cast<double>(config.num_train_timesteps) / count});
    if (!trailing) table.timesteps.pop_back();
    for (double& t : table.timesteps) t = std::nearbyint(t);
    const SigmaSpacing sigmas = sigma_spacing_of(config, sampler);
    if (sigmas == SigmaSpacing::timesteps) {
        table.sigmas = interpolate_sigmas(all, table.timesteps);
    } else {
        table.sigmas = spaced_sigmas(
            sigmas, {config.sigma_max.value_or(all.back()), config.sigma_min.value_or(all.front())},
            count);
        table.timesteps.clear();
        // The reference cuts what it does not round.
        const bool cosine =
            sampler != Sampler::unipc && config.beta_schedule == "squaredcos_cap_v2";
        const bool rounded =
            sigmas == SigmaSpacing::ays || (sigmas == SigmaSpacing::karras && !cosine);
        for (const double s : table.sigmas) {
            const double t = sigma_to_timestep(all, s);
            table.timesteps.push_back(rounded ? std::nearbyint(t) : std::trunc(t));
        }
    }
    const bool own_last = sampler == Sampler::unipc && sigmas != SigmaSpacing::timesteps;
    const double lowest = own_last ? table.sigmas.back() : all.front();
    table.sigmas.push_back(config.final_sigmas_type == FinalSigma::zero ? 0.0 : lowest);
    for (double& s : table.sigmas) s = to_float(s);
    return table;
}

Timetable two_call_timetable(Sampler sampler, const Schedule& schedule, int count, SecondCall at) {
    const Timetable steps = sigma_timetable(sampler, schedule, count);
    const std::vector<double> all = training_sigmas(alphas_cumprod_of(sampler, schedule));
    Timetable table = steps;
    table.timesteps.clear();
    table.sigmas.clear();
    for (std::size_t i = 0; i < steps.timesteps.size(); ++i) {
        table.timesteps.push_back(steps.timesteps[i]);
        table.sigmas.push_back(steps.sigmas[i]);
        if (i + 1 == steps.timesteps.size()) break;
        if (at == SecondCall::at_next) {
            table.timesteps.push_back(steps.timesteps[i + 1]);
            table.sigmas.push_back(steps.sigmas[i + 1]);
        } else {
            const double begin = steps.sigmas[i], next = steps.sigmas[i + 1];
            const double end = at == SecondCall::half_way ? next : ancestral_step(begin, next).down;
            const double sigma = std::sqrt(begin * end);
            table.timesteps.push_back(to_float(sigma_to_timestep(all, sigma)));
            table.sigmas.push_back(to_float(sigma));
        }
    }
    table.sigmas.push_back(steps.sigmas.back());
    return table;
}

}  // namespace keepsake::pipeline
