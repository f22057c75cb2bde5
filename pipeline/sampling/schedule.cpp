// The numbers of a noise schedule. They are computed one by one in double, and rounded to float32
// where the reference rounds: ATen's operators give other last digits on other processors (its
// square root asks MKL, its linspace fuses or not), and zero terminal SNR makes these grow.
#include "pipeline/sampling/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>

#include "pipeline/error.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

[[noreturn]] void refuse(std::string_view key, std::string_view why) {
    throw Error("scheduler_config.json, " + std::string(key), why);
}

// Nichol & Dhariwal, arXiv 2102.09672, eq. 17, in double as diffusers' betas_for_alpha_bar.
std::vector<double> cosine_betas(std::int64_t count) {
    const auto alpha_bar = [](double t) {
        const double c = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
        return c * c;
    };
    std::vector<double> betas;
    const auto n = static_cast<double>(count);
    for (std::int64_t i = 0; i < count; ++i) {
        const double i_d = static_cast<double>(i);
        betas.push_back(
            to_float(std::min(1 - alpha_bar((i_d + 1) / n) / alpha_bar(i_d / n), 0.999)));
    }
    return betas;
}

// torch.linspace in float32: from both ends to the middle, each product and sum rounded once.
std::vector<double> float_linspace(double start, double end, std::int64_t count) {
    start = to_float(start);
    end = to_float(end);
    if (count == 1) return {start};
    const double step = to_float(to_float(end - start) / static_cast<double>(count - 1));
    std::vector<double> values;
    for (std::int64_t i = 0; i < count; ++i) {
        values.push_back(i < count / 2 ? to_float(start + step * static_cast<double>(i))
                                       : to_float(end - step * static_cast<double>(count - 1 - i)));
    }
    return values;
}

std::vector<double> make_betas(const ScheduleConfig& config) {
    const std::int64_t n = config.num_train_timesteps;
    if (!config.trained_betas.empty()) {
        std::vector<double> betas = config.trained_betas;
        for (double& beta : betas) beta = to_float(beta);
        return betas;
    }
    if (config.beta_schedule == "linear") {
        return float_linspace(config.beta_start, config.beta_end, n);
    }
    if (config.beta_schedule == "scaled_linear") {
        std::vector<double> betas =
            float_linspace(std::sqrt(config.beta_start), std::sqrt(config.beta_end), n);
        for (double& beta : betas) beta = to_float(beta * beta);
        return betas;
    }
    if (config.beta_schedule == "squaredcos_cap_v2") return cosine_betas(n);
    refuse("beta_schedule", "\"" + config.beta_schedule + "\" is not supported");
}

// The product itself is kept in double, as torch.cumprod does.
std::vector<double> products_of_alphas(const std::vector<double>& betas) {
    std::vector<double> products;
    double product = 1;
    for (const double beta : betas) {
        product *= to_float(1 - beta);
        products.push_back(to_float(product));
    }
    return products;
}

// Lin et al., arXiv 2305.08891, algorithm 1: the last timestep carries no signal.
std::vector<double> rescale_zero_terminal_snr(const std::vector<double>& betas) {
    std::vector<double> root = products_of_alphas(betas);
    for (double& value : root) value = to_float(std::sqrt(value));
    const double first = root.front(), last = root.back();
    const double scale = to_float(first / to_float(first - last));
    std::vector<double> rescaled;
    double before = 1;
    for (const double value : root) {
        const double shifted = to_float(to_float(value - last) * scale);
        const double product = to_float(shifted * shifted);
        rescaled.push_back(to_float(1 - to_float(product / before)));
        before = product;
    }
    return rescaled;
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
    std::vector<float> signal, noise;
    for (std::int64_t i = 0; i < index.numel(); ++i) {
        const std::int64_t t = index.data_ptr<std::int64_t>()[i];
        const double a = alphas_cumprod.data_ptr<float>()[t];
        signal.push_back(static_cast<float>(std::sqrt(a)));
        noise.push_back(static_cast<float>(std::sqrt(to_float(1 - a))));
    }
    std::vector<std::int64_t> shape(static_cast<std::size_t>(like.dim()), 1);
    shape[0] = index.numel();
    const auto shaped = [&](const std::vector<float>& roots) {
        return at::tensor(roots, at::kFloat).reshape(shape).to(like.options());
    };
    return {shaped(signal), shaped(noise)};
}

}  // namespace

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

Tensor compute_alphas_cumprod(const ScheduleConfig& config) {
    check_betas(config);
    std::vector<double> betas = make_betas(config);
    if (config.rescale_betas_zero_snr) betas = rescale_zero_terminal_snr(betas);
    return at::tensor(products_of_alphas(betas), at::kFloat);
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
