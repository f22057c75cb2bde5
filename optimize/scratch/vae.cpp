#include "optimize/scratch/vae.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "optimize/scratch/similarity.h"
#include "optimize/training/rounds.h"
#include "pipeline/error.h"

namespace keepsake::optimize {

namespace {

using pipeline::LatentDistribution;
using pipeline::Vae;

// Who draws (optimize/training/draws.h).
constexpr auto order_stream = static_cast<Stream>(70);
constexpr auto latents_stream = static_cast<Stream>(71);
constexpr auto mirror_stream = static_cast<Stream>(72);
constexpr auto scale_stream = static_cast<Stream>(73);

constexpr double range = 2;  // of values in [-1, 1]

// Pictures that are computed together: their activations are in memory at once.
std::int64_t pictures_at_once(const Tensor& pictures) {
    constexpr std::int64_t most = 1 << 17;  // pixels
    return std::max<std::int64_t>(1, most / (pictures.size(2) * pictures.size(3)));
}

Tensor sampled(const LatentDistribution& latents, const Tensor& noise) {
    return latents.mean + (latents.logvar / 2).exp() * noise;
}

std::vector<std::int64_t> latent_shape(const Vae& vae, const Tensor& pictures) {
    const std::int64_t unit = vae.config().downscale();
    return {vae.config().latent_channels, pictures.size(2) / unit, pictures.size(3) / unit};
}

void check(const VaeTask& task, const Vae& vae) {
    const std::int64_t unit = vae.config().downscale();
    if (task.rows.numel() == 0) throw Error("pictures", "there are none to learn from");
    for (const std::int64_t side : {task.pictures.size(2), task.pictures.size(3)})
        if (side % unit != 0)
            throw Error("pictures", "a side of " + std::to_string(side) +
                                        " pixels is no multiple of the " + std::to_string(unit) +
                                        " that the autoencoder halves to one");
}

// The pictures and the noise of their latents that a step takes.
struct Batch {
    Tensor pictures, noise;
};

Batch draw_batch(const VaeTask& task, const std::vector<std::int64_t>& which,
                 const std::vector<std::int64_t>& shape, std::int64_t step) {
    const auto count = static_cast<std::int64_t>(which.size());
    Batch batch;
    batch.pictures =
        picture_values(task.pictures.index_select(0, task.rows.index_select(0, at::tensor(which))));
    if (task.mirror) {
        const at::Generator generator = step_generator(task.seed, mirror_stream, step);
        const Tensor turned = at::rand({count, 1, 1, 1}, generator) < 0.5;
        batch.pictures = at::where(turned, batch.pictures.flip({3}), batch.pictures);
    }
    batch.noise = at::randn({count, shape[0], shape[1], shape[2]},
                            step_generator(task.seed, latents_stream, step));
    return batch;
}

Tensor last_weight(const Vae& vae) {
    return vae.parameters().at("decoder.conv_out.weight");
}

// 0, of which the discriminator's gradients are 0, too.
Tensor nothing_of(const Discriminator& discriminator) {
    Tensor sum = at::zeros({});
    for (const auto& [name, weight] : discriminator.parameters())
        sum = sum.to(weight.device()) + 0 * weight.sum();
    return sum;
}

TrainingRecipe recipe_of(const VaeTask& task, const VaeOptions& options,
                         const LearnedVae& learned) {
    const Vae& vae = learned.vae;
    TrainingRecipe recipe;
    recipe.name = "vae";
    recipe.learns = learning(learned);
    recipe.samples_at_once = pictures_at_once(task.pictures);
    recipe.rate = [&options](std::int64_t step) { return rate_of(options, step); };
    recipe.weight_decay = options.weight_decay;
    if (learned.discriminator)
        recipe.decays = [](const std::string& name) { return !name.starts_with("discriminator."); };
    recipe.max_gradient_norm = options.max_gradient_norm;
    PictureGroup all(static_cast<std::size_t>(task.rows.numel()));
    std::iota(all.begin(), all.end(), 0);
    const auto rounds = std::make_shared<Rounds>(std::vector<PictureGroup>{all},
                                                 options.stage.batch_size, task.seed, order_stream);
    recipe.draw = [&, rounds,
                   device = vae.parameters().begin()->second.device()](std::int64_t step) {
        const std::vector<std::int64_t> which = rounds->batch(step);
        Batch batch = draw_batch(task, which, latent_shape(vae, task.pictures), step);
        batch.pictures = batch.pictures.to(device);
        batch.noise = batch.noise.to(device);
        const bool judged = learned.discriminator && step >= options.adversarial.begins;
        return StepSamples{static_cast<std::int64_t>(which.size()),
                           [&, batch, judged](std::int64_t begin, std::int64_t end, auto) {
                               const Tensor pictures = batch.pictures.slice(0, begin, end);
                               const LatentDistribution latents = vae.encode(pictures);
                               const Tensor z = sampled(latents, batch.noise.slice(0, begin, end));
                               const Tensor decoded = vae.decode(z);
                               const Tensor loss = vae_loss(pictures, decoded, latents, options);
                               if (!learned.discriminator) return loss;
                               if (!judged) return loss + nothing_of(*learned.discriminator);
                               return loss + adversarial_terms(*learned.discriminator, pictures,
                                                               decoded, loss, last_weight(vae),
                                                               options.adversarial.weight);
                           }};
    };
    return recipe;
}

}  // namespace

VaeOptions vae_options() {
    VaeOptions options;
    options.stage.steps = 5000;
    options.stage.batch_size = 16;
    options.schedule.kind = LearningSchedule::cosine;
    options.schedule.rate = 4e-4;
    options.schedule.warmup_steps = 100;
    options.ema->decay = 0.999;
    return options;
}

double rate_of(const VaeOptions& options, std::int64_t step) {
    ScheduleOptions schedule = options.schedule;
    schedule.steps = options.stage.steps;
    // diffusers' first step of a warm-up has rate 0 and learns nothing: it is left out.
    return scheduled_rate(schedule, schedule.warmup_steps > 0 ? step + 1 : step);
}

Tensor vae_loss(const Tensor& pictures, const Tensor& decoded, const LatentDistribution& latents,
                const VaeOptions& options) {
    const Tensor absolute = (pictures - decoded).abs().mean();
    // KL(N(mean, var) || N(0, 1)), summed over a picture (Kingma & Welling, arXiv 1312.6114,
    // appendix B), beside a sum of absolute errors: both over the picture's values.
    const Tensor divergence =
        0.5 * (latents.mean.square() + latents.logvar.exp() - 1 - latents.logvar).sum() /
        static_cast<double>(pictures.numel());
    const Tensor loss = absolute + options.kl * divergence;
    if (options.structure == 0) return loss;
    return loss + options.structure * (1 - similarity_at_scales(pictures, decoded, range).mean());
}

TensorMap learning(const LearnedVae& learned) {
    TensorMap all = learned.vae.parameters();
    if (learned.discriminator)
        for (const auto& [name, tensor] : learned.discriminator->parameters())
            all["discriminator." + name] = tensor;
    return all;
}

pipeline::Vae averaged(const LearnedVae& learned) {
    if (learned.averages.empty()) return learned.vae;
    return Vae(learned.vae.config(), pipeline::Weights::from_tensors(learned.averages));
}

void train_vae(const VaeTask& task, const VaeOptions& options, LearnedVae& learned,
               const VaeControls& controls) {
    check(task, learned.vae);
    if (options.adversarial.weight > 0 && !learned.discriminator)
        throw Error("discriminator", "is not there");
    std::optional<Ema> ema;
    if (options.ema && is_first(controls.ranks)) {
        ema.emplace(learned.vae.parameters(), *options.ema);
        if (!learned.averages.empty()) ema->load(learned.averages);
        learned.averages = ema->averages();
    }
    const auto evaluate = [&] {
        if (task.held_out.size(0) == 0 || !is_first(controls.ranks)) return;
        learned.evaluations.push_back(measure_vae(averaged(learned), task.held_out));
        learned.evaluations.back().step = learned.steps;
        if (controls.after_evaluation) controls.after_evaluation();
    };
    TrainingControls training;
    training.monitor = controls.monitor;
    training.ranks = controls.ranks;
    training.after_step = [&] {
        if (ema) ema->update(learned.steps);
        const bool due =
            controls.evaluate_every > 0 && learned.steps % controls.evaluate_every == 0;
        if (due || learned.steps == options.stage.steps) evaluate();
        if (controls.after_step) controls.after_step();
    };
    train(recipe_of(task, options, learned), options.stage,
          {learned.steps, learned.optimiser, learned.losses}, training);
}

VaeQuality measure_vae(const Vae& vae, const Tensor& pictures) {
    const at::NoGradGuard no_grad;
    VaeQuality quality;
    const std::int64_t count = pictures.size(0), part = pictures_at_once(pictures);
    const at::Device device = vae.parameters().begin()->second.device();
    for (std::int64_t i = 0; i < count; i += part) {
        const Tensor were =
            picture_values(pictures.slice(0, i, std::min(i + part, count))).to(device);
        const Tensor are = vae.decode(vae.encode(were).mean).clamp(-1, 1);
        quality.psnr += peak_signal_to_noise(were, are, range).sum().item<double>();
        quality.ssim += structural_similarity(were, are, range).sum().item<double>();
        quality.absolute += (were - are).abs().flatten(1).mean(1).sum().item<double>();
    }
    const auto n = static_cast<double>(count);
    quality.psnr /= n;
    quality.ssim /= n;
    quality.absolute /= n;
    return quality;
}

double latent_scale(const Vae& vae, const Tensor& pictures, std::uint64_t seed) {
    const at::NoGradGuard no_grad;
    const std::int64_t count = std::min<std::int64_t>(512, pictures.size(0));
    const std::int64_t part = pictures_at_once(pictures);
    const at::Generator generator = step_generator(seed, scale_stream, 0);
    const at::Device device = vae.parameters().begin()->second.device();
    std::vector<Tensor> all;
    for (std::int64_t i = 0; i < count; i += part) {
        // All parts of a large set, not its first pictures.
        const std::int64_t end = std::min(i + part, count);
        const Tensor which = (at::arange(i, end) * pictures.size(0)).floor_divide(count);  // int64
        const LatentDistribution latents =
            vae.encode(picture_values(pictures.index_select(0, which)).to(device));
        all.push_back(sampled(latents, at::randn(latents.mean.sizes(), generator).to(device))
                          .to(at::kDouble));
    }
    return 1 / at::cat(all).std().item<double>();
}

Tensor picture_values(const Tensor& pictures) {
    return pictures.to(at::kFloat) / 127.5 - 1;
}

}  // namespace keepsake::optimize
