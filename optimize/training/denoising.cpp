#include "optimize/training/denoising.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace keepsake::optimize {

Tensor denoising_loss(const DenoisingTask& task, const Draw& at,
                      pipeline::Activations activations) {
    const std::int64_t batch = at.size();
    const Tensor x0 = task.latents.expand({batch, -1, -1, -1});
    const Tensor noisy = task.schedule.add_noise(x0, at.noise, at.timesteps);
    const Tensor context = task.embedding.expand({batch, -1, -1});
    const Tensor prediction = task.unet(noisy, at.timesteps.to(at::kFloat), context, activations);
    return at::mse_loss(prediction.to(at::kFloat),
                        task.schedule.target(x0, at.noise, at.timesteps));
}

std::int64_t samples_at_once(const Tensor& latents) {
    constexpr std::int64_t most = 4096;  // latent pixels
    return std::max<std::int64_t>(1, most / (latents.size(2) * latents.size(3)));
}

double evaluation_loss(const DenoisingTask& task) {
    const at::NoGradGuard no_grad;
    const Draw pairs =
        evaluation_pairs(task.latents.sizes().slice(1).vec(),
                         task.schedule.config.num_train_timesteps, task.latents.device());
    const std::int64_t count = samples_at_once(task.latents);
    double sum = 0;
    for (std::int64_t i = 0; i < pairs.size(); i += count) {
        const Draw part = pairs.part(i, i + count);
        sum += denoising_loss(task, part).item<double>() * static_cast<double>(part.size());
    }
    return sum / static_cast<double>(pairs.size());
}

}  // namespace keepsake::optimize
