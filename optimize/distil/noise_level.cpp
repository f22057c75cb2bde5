#include "optimize/distil/noise_level.h"

#include "pipeline/error.h"

namespace keepsake::optimize {

using pipeline::PredictionType;

NoiseLevel level_at(const pipeline::Schedule& schedule, const Tensor& timesteps) {
    const std::int64_t range = schedule.config.num_train_timesteps;
    const Tensor t = timesteps.to(at::kCPU, at::kLong);
    if (t.dim() != 1 || t.numel() == 0 || t.min().item<std::int64_t>() < -1 ||
        t.max().item<std::int64_t>() >= range) {
        throw Error("timesteps",
                    "expected (B) whole numbers from -1 to " + std::to_string(range - 1));
    }
    // In double, so that alpha^2 + sigma^2 is 1 to float32's last digit.
    const Tensor a = at::cat({schedule.alphas_cumprod.to(at::kDouble),
                              at::ones({1}, at::TensorOptions().dtype(at::kDouble))})
                         .index_select(0, at::where(t < 0, at::full_like(t, range), t))
                         .view({-1, 1, 1, 1});
    const auto back = [&](const Tensor& x) { return x.to(timesteps.device(), at::kFloat); };
    return {back(a.sqrt()), back((1 - a).sqrt())};
}

Reading read_output(PredictionType type, const Tensor& output, const Tensor& z,
                    const NoiseLevel& level) {
    switch (type) {
        case PredictionType::epsilon:
            return {(z - level.sigma * output) / level.alpha, output};
        case PredictionType::sample:
            return read_picture(output, z, level);
        case PredictionType::v_prediction:
            return {level.alpha * z - level.sigma * output, level.alpha * output + level.sigma * z};
    }
    throw Error("prediction_type", "unknown");
}

Reading read_picture(const Tensor& x, const Tensor& z, const NoiseLevel& level) {
    return {x, (z - level.alpha * x) / level.sigma};
}

Tensor ddim_step(const Reading& reading, const NoiseLevel& to) {
    return to.alpha * reading.x + to.sigma * reading.noise;
}

}  // namespace keepsake::optimize
