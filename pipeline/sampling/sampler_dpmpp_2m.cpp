// DPM-Solver++(2M): Lu, Zhou, Bao, Chen, Li, Zhu, "DPM-Solver++: Fast Solver for Guided Sampling of
// Diffusion Probabilistic Models", arXiv 2211.01095, algorithm 2.
#include <algorithm>
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

// Other classes' names for what this sampler does are accepted as the reference accepts them.
void check_solver(const ScheduleConfig& config) {
    const auto refuse = [](const char* key, const std::string& value) {
        throw Error(std::string("scheduler_config.json, ") + key,
                    "dpmpp_2m does not support " + value);
    };
    const auto known = [](const std::string& value, std::initializer_list<const char*> names) {
        return std::ranges::find(names, value) != names.end();
    };
    if (!known(config.algorithm_type, {"dpmsolver++", "deis"})) {
        refuse("algorithm_type", "\"" + config.algorithm_type + "\"");
    }
    if (!known(config.solver_type, {"midpoint", "heun", "logrho", "bh1", "bh2"})) {
        refuse("solver_type", "\"" + config.solver_type + "\"");
    }
    if (config.solver_order != 2) refuse("solver_order", std::to_string(config.solver_order));
}

}  // namespace

std::int64_t dpmpp_range(Sampler sampler, const Schedule& schedule) {
    const std::vector<double> alphas = alphas_cumprod_of(sampler, schedule);
    const double least = to_float(schedule.config.lambda_min_clipped);
    const auto is_clipped = [&](double a) { return to_float(0.5 * std::log(a / (1 - a))) < least; };
    const auto clipped = std::count_if(alphas.begin(), alphas.end(), is_clipped);
    if (clipped == std::ssize(alphas)) {
        throw Error("scheduler_config.json, lambda_min_clipped", "leaves no timestep");
    }
    return std::ssize(alphas) - clipped;
}

Timetable dpmpp_2m_timetable(const Schedule& schedule, int num_inference_steps) {
    check_solver(schedule.config);
    return multistep_timetable(Sampler::dpmpp_2m, schedule, num_inference_steps,
                               dpmpp_range(Sampler::dpmpp_2m, schedule));
}

// In x = alpha x0 + s noise, with lambda = log(alpha / s) = -log(sigma) and h its growth in a step:
// x <- (s' / s) x - alpha' (e^-h - 1) D, D = x0 + (x0 - x0 before) h / (2 h before).
Tensor sample_dpmpp_2m(const SamplerRun& run, Tensor x) {
    const ScheduleConfig& config = run.schedule.config;
    const std::vector<double>& sigmas = run.timetable.sigmas;
    const bool first_order_last = ends_first_order(run);
    Tensor before;  // x0 of the step before
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const double alpha = alpha_of_sigma(sigmas[i]);
        const double s = alpha * sigmas[i];
        const Tensor output = call_model(run, x, i);
        const Tensor x0 = read_prediction(config.prediction_type, output, x, alpha, s).x0;

        const double alpha_next = alpha_of_sigma(sigmas[i + 1]);
        const double s_next = alpha_next * sigmas[i + 1];
        const double decay = sigmas[i + 1] / sigmas[i] - 1;  // e^-h - 1, -1 at the final sigma 0
        Tensor next = x * (s_next / s) - x0 * (alpha_next * decay);
        const bool last = i + 1 == run.end();
        if (before.defined() && !(last && first_order_last)) {
            const double h = std::log(sigmas[i] / sigmas[i + 1]);
            const double h_before = std::log(sigmas[i - 1] / sigmas[i]);
            const Tensor slope = (x0 - before) * (h / h_before);
            const double weight = config.solver_type == "heun" ? decay / h + 1 : -0.5 * decay;
            next = next + slope * (alpha_next * weight);
        }
        before = x0;
        x = next;
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
