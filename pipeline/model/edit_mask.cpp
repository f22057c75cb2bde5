#include "pipeline/model/edit_mask.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "pipeline/model/generate.h"

namespace keepsake::pipeline {
namespace {

void check(const EditMaskInput& input, const EditMaskOptions& options) {
    if (input.latents.dim() != 4 || input.latents.size(0) != 1) {
        throw Error("edit mask", "latents of a single photo are expected, (1, C, h, w)");
    }
    for (const Tensor& text : {input.target, input.source}) {
        if (text.dim() != 3 || text.size(0) != 1) {
            throw Error("edit mask", "an embedding of a single text is expected, (1, T, D)");
        }
    }
    if (!(options.strength > 0 && options.strength <= 1)) {
        throw Error("edit mask", "the strength " + std::to_string(options.strength) +
                                     " is not above 0 and at most 1");
    }
    if (options.samples < 1) throw Error("edit mask", "at least one sample is needed");
}

// The paper's code clamps at this many means, so that single latents do not set the scale.
constexpr double outlier = 3;

Tensor to_unit_range(const Tensor& map) {
    const double most = outlier * map.mean().item<double>();
    if (!(most > 0)) return at::zeros_like(map);
    const Tensor clamped = map.clamp_max(most);
    return clamped / clamped.max();
}

}  // namespace

Tensor prediction_difference(const UNet& unet, const Schedule& schedule, const EditMaskInput& input,
                             const EditMaskOptions& options, Monitor& monitor) {
    check(input, options);
    const at::NoGradGuard no_grad;
    const std::int64_t steps = schedule.config.num_train_timesteps;
    const std::int64_t timestep =
        std::max<std::int64_t>(std::llround(options.strength * static_cast<double>(steps)), 1) - 1;
    const Tensor timesteps =
        at::full({1}, timestep, at::TensorOptions(at::kLong).device(input.latents.device()));
    const Tensor texts = at::cat({input.target, input.source});
    at::Generator generator = make_generator(options.seed);
    Tensor sum = at::zeros({input.latents.size(2), input.latents.size(3)});
    for (int i = 0; i < options.samples; ++i) {
        const Tensor noise = randn(input.latents.sizes(), generator).to(input.latents.device());
        const Tensor noisy = schedule.add_noise(input.latents, noise, timesteps);
        const Tensor predictions = unet(at::cat({noisy, noisy}), timesteps, texts);
        const Tensor difference = (predictions[0] - predictions[1]).abs().mean(0);
        sum += difference.to(at::kCPU, at::kFloat);
        monitor.step(i + 1, options.samples, "mask");
    }
    check_finite(sum, "the edit mask");
    return sum / options.samples;
}

Tensor edit_mask(const UNet& unet, const Schedule& schedule, const EditMaskInput& input,
                 const EditMaskOptions& options, Monitor& monitor) {
    return to_unit_range(prediction_difference(unet, schedule, input, options, monitor));
}

}  // namespace keepsake::pipeline
