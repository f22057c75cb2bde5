// UniPC: Zhao, Bai, Rao, Zhou, Lu, "UniPC: A Unified Predictor-Corrector Framework for Fast
// Sampling of Diffusion Models", arXiv 2302.04867, algorithms 5 to 8 (multistep, predicting x0),
// with the B(h) of the file (bh2 unless it says bh1).
#include <algorithm>
#include <cmath>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

constexpr std::size_t most_orders = 3;

// x0 as the model saw it at a sigma.
struct Seen {
    double sigma;
    Tensor x0;
};

double lambda(double sigma) {
    return -std::log(sigma);
}

// Solves the square system by Gauss' elimination with the largest pivot.
std::vector<double> solve(std::vector<std::vector<double>> rows, std::vector<double> right) {
    const std::size_t n = right.size();
    for (std::size_t c = 0; c < n; ++c) {
        std::size_t pivot = c;
        for (std::size_t r = c + 1; r < n; ++r)
            if (std::abs(rows[r][c]) > std::abs(rows[pivot][c])) pivot = r;
        std::swap(rows[c], rows[pivot]);
        std::swap(right[c], right[pivot]);
        for (std::size_t r = c + 1; r < n; ++r) {
            const double factor = rows[r][c] / rows[c][c];
            for (std::size_t k = c; k < n; ++k) rows[r][k] -= factor * rows[c][k];
            right[r] -= factor * right[c];
        }
    }
    for (std::size_t c = n; c-- > 0;) {
        for (std::size_t k = c + 1; k < n; ++k) right[c] -= rows[c][k] * right[k];
        right[c] /= rows[c][c];
    }
    return right;
}

// One step of x from `seen.back()`'s sigma to `sigma`, of an order that `seen` (oldest first) is
// long enough for. arrived: x0 as the model sees it there, for the corrector; null: the predictor.
// Equations 4 to 9, with h the growth of lambda, phi_1 = e^-h - 1 and B(h) = phi_1 or -h.
Tensor step(const Tensor& x, const std::vector<Seen>& seen, double sigma, std::size_t order,
            const Tensor* arrived, bool bh1) {
    const Seen& now = seen.back();
    const double alpha = alpha_of_sigma(sigma);
    const double minus_h = lambda(now.sigma) - lambda(sigma);
    const double phi1 = sigma > 0 ? std::expm1(minus_h) : -1.0;
    Tensor next =
        x * (alpha * sigma / (alpha_of_sigma(now.sigma) * now.sigma)) - now.x0 * (alpha * phi1);
    if (order == 1 && !arrived) return next;

    const double scale = bh1 ? minus_h : phi1;
    std::vector<double> places;  // of earlier sigmas, in steps from `now`
    std::vector<Tensor> slopes;
    for (std::size_t k = 1; k < order; ++k) {
        const Seen& earlier = seen[seen.size() - 1 - k];
        places.push_back((lambda(earlier.sigma) - lambda(now.sigma)) / -minus_h);
        slopes.push_back((earlier.x0 - now.x0) / places.back());
    }
    places.push_back(1);
    if (arrived) slopes.push_back(*arrived - now.x0);
    std::vector<std::vector<double>> powers;
    std::vector<double> right;
    double phi = phi1 / minus_h - 1, factorial = 1;
    for (std::size_t k = 1; k <= order; ++k) {
        powers.emplace_back();
        for (const double place : places)
            powers.back().push_back(std::pow(place, static_cast<double>(k - 1)));
        right.push_back(phi * factorial / scale);
        factorial *= static_cast<double>(k + 1);
        phi = phi / minus_h - 1 / factorial;
    }
    std::vector<double> weights;
    if (slopes.size() == 1) {
        weights = {0.5};  // where the system is as good as that, and the reference takes it
    } else {
        powers.resize(slopes.size());
        for (auto& row : powers) row.resize(slopes.size());
        right.resize(slopes.size());
        weights = solve(std::move(powers), std::move(right));
    }
    for (std::size_t k = 0; k < slopes.size(); ++k)
        next = next - slopes[k] * (alpha * scale * weights[k]);
    return next;
}

void check(const ScheduleConfig& config) {
    const auto refuse = [](const char* key, const std::string& value) {
        throw Error(std::string("scheduler_config.json, ") + key,
                    "unipc does not support " + value);
    };
    if (!config.predict_x0) refuse("predict_x0", "false");
    if (config.solver_order < 1 || config.solver_order > static_cast<std::int64_t>(most_orders))
        refuse("solver_order", std::to_string(config.solver_order));
}

}  // namespace

Timetable unipc_timetable(const Schedule& schedule, int num_inference_steps) {
    check(schedule.config);
    return multistep_timetable(Sampler::unipc, schedule, num_inference_steps,
                               schedule.config.num_train_timesteps);
}

Tensor sample_unipc(const SamplerRun& run, Tensor x) {
    const ScheduleConfig& config = run.schedule.config;
    const std::vector<double>& sigmas = run.timetable.sigmas;
    const auto highest = static_cast<std::size_t>(config.solver_order);
    const bool bh1 = config.solver_type == "bh1";
    std::vector<Seen> seen;  // oldest first, at most `highest`
    Tensor start;            // x where the step before began, corrected
    std::size_t order = 1;   // of the step before
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const double alpha = alpha_of_sigma(sigmas[i]);
        const Tensor output = call_model(run, x, i);
        const Tensor x0 =
            read_prediction(config.prediction_type, output, x, alpha, alpha * sigmas[i]).x0;
        const bool disabled =
            i > 0 && std::ranges::find(config.disable_corrector, static_cast<double>(i - 1)) !=
                         config.disable_corrector.end();
        if (start.defined() && !disabled) x = step(start, seen, sigmas[i], order, &x0, bh1);
        if (seen.size() == highest) seen.erase(seen.begin());
        seen.push_back({sigmas[i], x0});
        const bool lowered = config.lower_order_final || sigmas[i + 1] == 0;
        order = lowered ? std::min(highest, run.end() - i) : highest;
        order = std::min(order, seen.size());
        start = x;
        x = step(start, seen, sigmas[i + 1], order, nullptr, bh1);
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
