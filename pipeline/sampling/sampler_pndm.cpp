// PNDM: Liu, Ren, Lin, Zhao, "Pseudo Numerical Methods for Diffusion Models on Manifolds", arXiv
// 2202.09778. Stable Diffusion skips the Runge-Kutta warm-up and is left with PLMS, the linear
// multistep method, whose first step is a Heun step (so its second timestep is called twice).
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

constexpr std::size_t warm_up_calls = 12;

// Eq. 9: the transfer of x from timestep t to `prev` along a noise estimate.
struct Transfer {
    const std::vector<double>& alphas;
    double final_alpha;
    bool v_prediction;

    Tensor operator()(const Tensor& x, std::int64_t t, std::int64_t prev, Tensor output) const {
        const double a = alphas.at(static_cast<std::size_t>(t));
        const double a_prev = prev >= 0 ? alphas[static_cast<std::size_t>(prev)] : final_alpha;
        if (v_prediction) output = output * std::sqrt(a) + x * std::sqrt(1 - a);
        const double scale = a * std::sqrt(1 - a_prev) + std::sqrt(a * (1 - a) * a_prev);
        return x * std::sqrt(a_prev / a) - output * ((a_prev - a) / scale);
    }
};

// Eq. 12, and its lower orders while `recent` (newest last) is short: Adams-Bashforth.
Tensor multistep(const std::vector<Tensor>& recent) {
    const std::size_t n = recent.size();
    const auto back = [&](std::size_t k) { return recent[n - 1 - k]; };
    if (n == 1) return back(0);
    if (n == 2) return (back(0) * 3 - back(1)) / 2;
    if (n == 3) return (back(0) * 23 - back(1) * 16 + back(2) * 5) / 12;
    return (back(0) * 55 - back(1) * 59 + back(2) * 37 - back(3) * 9) / 24;
}

// Algorithm 2, the first three steps by the classical Runge-Kutta method, four calls each. Fills
// `recent` with the noise estimate at the start of each step.
Tensor warm_up(const SamplerRun& run, const Transfer& transfer, std::int64_t stride, Tensor x,
               std::vector<Tensor>& recent) {
    Tensor start, sum;
    for (std::size_t i = 0; i < warm_up_calls; ++i) {
        const auto step_t = static_cast<std::int64_t>(run.timetable.timesteps[i / 4 * 4]);
        const auto t = static_cast<std::int64_t>(run.timetable.timesteps[i]);
        const std::int64_t prev = i % 2 ? t : t - stride / 2;
        Tensor output = call_model(run, x, i);
        if (i % 4 == 0) {
            start = x;
            recent.push_back(output);
            sum = output / 6;
        } else if (i % 4 < 3) {
            sum = sum + output / 3;
        } else {
            output = sum + output / 6;
        }
        x = transfer(start, step_t, prev, output);
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace

Timetable pndm_timetable(const Schedule& schedule, int num_inference_steps) {
    const ScheduleConfig& config = schedule.config;
    if (config.prediction_type == PredictionType::sample) {
        throw Error("scheduler_config.json, prediction_type", "pndm does not support \"sample\"");
    }
    Timetable table{.sampler = Sampler::pndm, .num_inference_steps = num_inference_steps};
    const auto t = whole_timesteps(config, TimestepSpacing::leading, num_inference_steps);
    table.timesteps = t;
    if (config.skip_prk_steps) {
        if (t.size() > 1) table.timesteps.insert(table.timesteps.begin() + 1, t[1]);
        return table;
    }
    if (t.size() < 4) {
        throw Error(
            "num_inference_steps",
            std::to_string(num_inference_steps) +
                " is too few for pndm: its Runge-Kutta warm-up (skip_prk_steps false) needs 4");
    }
    const auto half = static_cast<double>(config.num_train_timesteps / num_inference_steps / 2);
    table.timesteps.clear();
    for (std::size_t k = 0; k < 3; ++k) {  // t, the midpoint twice, the next t; three times
        const double middle = t[k + 1] + half;
        table.timesteps.insert(table.timesteps.end(), {t[k], middle, middle, t[k + 1]});
    }
    table.timesteps.insert(table.timesteps.end(), t.begin() + 3, t.end());
    return table;
}

Tensor sample_pndm(const SamplerRun& run, Tensor x) {
    const ScheduleConfig& config = run.schedule.config;
    const std::vector<double> alphas = alphas_cumprod_of(Sampler::pndm, run.schedule);
    const Transfer transfer{alphas, config.set_alpha_to_one.value_or(false) ? 1.0 : alphas.front(),
                            config.prediction_type == PredictionType::v_prediction};
    const std::int64_t stride = config.num_train_timesteps / run.timetable.num_inference_steps;
    std::size_t first = run.begin();
    std::vector<Tensor> recent;  // noise estimates, newest last
    if (!config.skip_prk_steps) {
        if (first != 0) {
            throw Error("scheduler_config.json, skip_prk_steps",
                        "pndm cannot start in the middle (image to image) when it is false");
        }
        x = warm_up(run, transfer, stride, x, recent);
        first = warm_up_calls;
    }
    Tensor start;  // latents before the first PLMS step, which the second call goes over again
    for (std::size_t i = first; i < run.end(); ++i) {
        const auto t = static_cast<std::int64_t>(run.timetable.timesteps[i]);
        const Tensor output = call_model(run, x, i);
        if (config.skip_prk_steps && i == first + 1) {
            x = transfer(start, t + stride, t, (output + recent.back()) / 2);
        } else {
            if (i == first) start = x;
            if (recent.size() == 4) recent.erase(recent.begin());
            recent.push_back(output);
            x = transfer(x, t, t - stride, multistep(recent));
        }
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
