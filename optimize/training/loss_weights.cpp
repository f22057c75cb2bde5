#include "optimize/training/loss_weights.h"

#include <string>

#include "pipeline/error.h"

namespace keepsake::optimize {

Tensor signal_to_noise(const pipeline::Schedule& schedule, const Tensor& timesteps) {
    const Tensor at_steps = schedule.alphas_cumprod.to(timesteps.device()).index({timesteps});
    return (at_steps.sqrt() / (1 - at_steps).sqrt()).square();
}

Tensor min_snr_weights(const pipeline::Schedule& schedule, const Tensor& timesteps, double gamma) {
    if (!(gamma > 0)) throw Error("min-SNR", "its gamma is not positive");
    const Tensor snr = signal_to_noise(schedule, timesteps);
    const Tensor least = snr.clamp_max(gamma);
    switch (schedule.config.prediction_type) {
        case pipeline::PredictionType::v_prediction:
            return least / (snr + 1);
        case pipeline::PredictionType::sample:
            return least;
        case pipeline::PredictionType::epsilon:
            break;
    }
    if (snr.eq(0).any().item<bool>())
        throw Error("min-SNR",
                    "has no weight for a network that predicts epsilon at a timestep "
                    "without signal (zero terminal SNR)");
    return least / snr;
}

Tensor weighted_loss(const Tensor& prediction, const Tensor& target, const Tensor& weights) {
    const Tensor squares = (prediction.to(at::kFloat) - target.to(at::kFloat)).square();
    const Tensor samples = squares.flatten(1).mean(1);
    return weights.defined() ? (samples * weights).mean() : samples.mean();
}

Tensor prior_weights(const Tensor& is_prior, PriorForm form, double weight) {
    const double all = form == PriorForm::diffusers ? 2 : 1;
    return at::where(is_prior, at::scalar_tensor(all * weight, at::kFloat),
                     at::scalar_tensor(all, at::kFloat));
}

}  // namespace keepsake::optimize
