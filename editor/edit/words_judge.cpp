#include "editor/edit/words_judge.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "editor/photo/pixel_tensors.h"
#include "optimize/imagic/fast.h"

namespace keepsake::editor {
namespace {

using at::Tensor;

// The squared error for one text, (B, 1, h, w).
Tensor error_of(const Tensor& prediction, const Tensor& target) {
    return (prediction.to(at::kFloat) - target).square().mean(1, /*keepdim=*/true);
}

// Where the strength between two that were tried reaches `enough`, in a straight line.
double between(double before, double after, double low, double high, double enough) {
    const double share = high > low ? (enough - low) / (high - low) : 1;
    return before + (after - before) * std::clamp(share, 0.0, 1.0);
}

}  // namespace

std::vector<double> words_advantage(const pipeline::Model& model, const Tensor& latents,
                                    const Tensor& text, const Tensor& none, const Tensor& mask,
                                    const JudgeOptions& options, Monitor& monitor) {
    const at::NoGradGuard no_grad;
    const std::int64_t n = latents.size(0);
    const Tensor texts = at::cat({text.expand({n, -1, -1}), none.expand({n, -1, -1})});
    const Tensor weight = mask.defined() ? mask.to(latents.device()) : at::ones({1, 1, 1, 1});
    at::Generator generator = pipeline::make_generator(options.seed);
    const auto steps = static_cast<double>(model.schedule.config.num_train_timesteps);
    Tensor with = at::zeros({n}), without = at::zeros({n});
    const auto calls = static_cast<std::int64_t>(options.noises.size()) * options.samples;
    std::int64_t done = 0;
    for (int i = 0; i < options.samples; ++i) {
        const Tensor noise =
            pipeline::randn(latents.narrow(0, 0, 1).sizes(), generator).to(latents.device());
        for (const double level : options.noises) {
            const auto t = std::max<std::int64_t>(std::llround(level * steps), 1) - 1;
            const Tensor timestep =
                at::full({n}, t, at::TensorOptions(at::kLong).device(latents.device()));
            const Tensor all = noise.expand_as(latents);
            const Tensor noisy = model.schedule.add_noise(latents, all, timestep);
            const Tensor target = model.schedule.target(latents, all, timestep);
            const auto both =
                model.unet(at::cat({noisy, noisy}), timestep.narrow(0, 0, 1), texts).chunk(2);
            const auto sum = [&](const Tensor& prediction) {
                return (error_of(prediction, target) * weight).sum({1, 2, 3}).to(at::kCPU);
            };
            with += sum(both[0]);
            without += sum(both[1]);
            monitor.step(++done, calls, "judge");
        }
    }
    std::vector<double> advantage;
    for (std::int64_t i = 0; i < n; ++i) {
        const double error = without[i].item<double>();
        advantage.push_back(error > 0 ? (error - with[i].item<double>()) / error : 0);
    }
    return advantage;
}

Judgement judge_words(const pipeline::Model& model, const optimize::Tuning& tuning,
                      const WordsPull& words, const Pixels& square, Monitor& monitor,
                      const JudgeOptions& options) {
    pipeline::SampleOptions sample;
    sample.sampler = pipeline::Sampler::dpmpp_2m;
    sample.steps = options.steps;
    sample.guidance_scale = 1;
    sample.noise_share = optimize::fast_options().noise_share;
    pipeline::EditTask task = edit_task(model, tuning, words, {square.width, square.height});
    pipeline::GenerateInput photo;
    photo.cond = tuning.optimised_embedding.to(model.dtype);
    photo.init_latents = pipeline::encode_image(model, to_tensor(square));
    task.inverted = pipeline::invert_latents(model, photo, sample, monitor, &task.photo);

    std::vector<pipeline::EditPicture> pictures;
    for (const double strength : options.strengths) {
        pictures.push_back({options.seed, strength * full_pull});
    }
    const Tensor latents =
        pipeline::generate_edits(model, task, pictures, sample, {}, monitor).to(at::kFloat);
    const std::vector<double> advantage = words_advantage(
        model, latents, tuning.target_embedding, pipeline::encode_text(model, "").to(at::kFloat),
        task.mask, options, monitor);
    for (std::size_t i = 0; i < advantage.size(); ++i) {
        if (advantage[i] < options.enough) continue;
        const double exact = i == 0 ? options.strengths[0]
                                    : between(options.strengths[i - 1], options.strengths[i],
                                              advantage[i - 1], advantage[i], options.enough);
        return {std::ceil(exact * 20 - 1e-9) / 20, true};
    }
    return {};
}

}  // namespace keepsake::editor
