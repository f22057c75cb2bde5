#include "pipeline/model/words_map.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "pipeline/model/generate.h"

namespace keepsake::pipeline {
namespace {

void check(const WordsMapInput& input, const WordsMapOptions& options) {
    if (input.latents.dim() != 4 || input.latents.size(0) != 1) {
        throw Error("words map", "latents of a single photo are expected, (1, C, h, w)");
    }
    if (input.text.dim() != 3 || input.text.size(0) != 1) {
        throw Error("words map", "an embedding of a single text is expected, (1, T, D)");
    }
    if (options.samples < 1) throw Error("words map", "at least one sample is needed");
    if (options.strengths.empty()) throw Error("words map", "at least one strength is needed");
    for (const double strength : options.strengths) {
        if (!(strength > 0 && strength <= 1)) {
            throw Error("words map", "the strength " + std::to_string(strength) +
                                         " is not above 0 and at most 1");
        }
    }
}

std::int64_t timestep_of(double strength, const Schedule& schedule) {
    const double steps = static_cast<double>(schedule.config.num_train_timesteps);
    return std::max<std::int64_t>(std::llround(strength * steps), 1) - 1;
}

}  // namespace

Tensor words_map(const UNet& unet, const Schedule& schedule, const WordsMapInput& input,
                 const WordsMapOptions& options, Monitor& monitor) {
    check(input, options);
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> timesteps;
    for (const double strength : options.strengths) {
        timesteps.push_back(at::full({1}, timestep_of(strength, schedule),
                                     at::TensorOptions(at::kLong).device(input.latents.device())));
    }
    at::Generator generator = make_generator(options.seed);
    Tensor sum;
    for (int i = 0; i < options.samples; ++i) {
        const Tensor noise = randn(input.latents.sizes(), generator).to(input.latents.device());
        for (const Tensor& timestep : timesteps) {
            const Tensor noisy = schedule.add_noise(input.latents, noise, timestep);
            const Tensor start =
                unet.text_shares(noisy, timestep, input.text)[0][0].to(at::kCPU, at::kDouble);
            sum = sum.defined() ? sum + start : start;
        }
        monitor.step(i + 1, options.samples, "words map");
    }
    check_finite(sum, "the map of the words");
    const double count = static_cast<double>(timesteps.size()) * options.samples;
    // Never the logarithm of 0.
    return -at::log((sum / count).clamp_min(1e-12)).to(at::kFloat);
}

}  // namespace keepsake::pipeline
