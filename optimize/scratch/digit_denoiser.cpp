#include "optimize/scratch/digit_denoiser.h"

#include <ATen/core/grad_mode.h>

#include "optimize/scratch/fresh_weights.h"
#include "optimize/training/denoising.h"
#include "optimize/training/ema.h"
#include "pipeline/sampling/samplers.h"

namespace keepsake::optimize {

namespace {

// Who draws (optimize/training/draws.h).
constexpr auto noise_stream = static_cast<Stream>(64);
constexpr auto class_stream = static_cast<Stream>(65);
constexpr auto picture_stream = static_cast<Stream>(66);
constexpr auto drawing_stream = static_cast<Stream>(67);

struct Batch {
    Tensor pictures, classes;
    Draw pairs;
};

Batch draw_batch(const DenoiserTask& task, ClassLesson lesson, const DrawRequest& request,
                 std::int64_t step) {
    const at::Generator which =
        step_generator(task.seed, picture_stream, step + 1'000'000 * (lesson == ClassLesson::told));
    const Tensor index = at::randint(task.digits.size(), {request.batch_size}, which,
                                     at::TensorOptions().dtype(at::kLong));
    Batch batch;
    batch.pictures = task.digits.pictures.index_select(0, index);
    batch.pairs = draw_pairs(request, step);
    batch.classes = class_embedding(task.digits.labels.index_select(0, index));
    const double hidden = lesson == ClassLesson::hidden ? 1 : hidden_share;
    const Tensor told = at::rand({request.batch_size, 1, 1}, which) >= hidden;
    batch.classes = batch.classes * told.to(at::kFloat);
    return batch;
}

// noise = without + w (with - without): both in one call of the network.
Tensor guided_noise(const pipeline::UNet& unet, const Tensor& x, double t, const Tensor& classes,
                    double guidance) {
    const Tensor none = no_class_embedding(x.size(0));
    const auto noise = [&](const Tensor& pictures, const Tensor& told) {
        return unet(pictures, at::full({pictures.size(0)}, t), told);
    };
    if (guidance == 0) return noise(x, none);
    if (guidance == 1) return noise(x, classes);
    const auto both = noise(at::cat({x, x}), at::cat({none, classes})).chunk(2);
    return both[0] + guidance * (both[1] - both[0]);
}

}  // namespace

Tensor class_embedding(const Tensor& labels) {
    return at::one_hot(labels, class_numbers).to(at::kFloat).unsqueeze(1);
}

Tensor no_class_embedding(std::int64_t count) {
    return at::zeros({count, 1, class_numbers});
}

pipeline::UNetConfig digit_unet_config() {
    pipeline::UNetConfig config;
    config.in_channels = config.out_channels = 1;
    config.sample_size = digit_side;
    config.block_out_channels = {16, 32};
    config.down_attention = {false, true};
    config.up_attention = {true, false};
    config.layers_per_block = 1;
    config.num_heads = {4, 4};
    config.cross_attention_dim = class_numbers;
    config.norm_num_groups = 8;
    return config;
}

pipeline::Schedule digit_schedule() {
    pipeline::ScheduleConfig config;
    config.beta_end = 0.012;
    config.timestep_spacing = pipeline::TimestepSpacing::trailing;
    return pipeline::Schedule(config);
}

DigitDenoiser fresh_denoiser(std::uint64_t seed) {
    return {fresh_unet(digit_unet_config(), seed), digit_schedule()};
}

StageOptions denoiser_options() {
    StageOptions options;
    options.steps = 600;
    options.learning_rate = 3e-3;
    options.batch_size = 64;
    options.schedule = RateSchedule::cosine;
    options.warmup_steps = 50;
    options.draws = Draws::stratified;
    return options;
}

StageLosses train_denoiser(const DenoiserTask& task, ClassLesson lesson,
                           const StageOptions& options, DigitDenoiser& denoiser) {
    const bool told = lesson == ClassLesson::told;
    TrainingRecipe recipe;
    recipe.name = told ? "classes" : "noise";
    recipe.learns = denoiser.unet.parameters();
    recipe.samples_at_once = options.batch_size;
    const DrawRequest request{task.seed,
                              told ? class_stream : noise_stream,
                              options.draws,
                              options.batch_size,
                              denoiser.schedule.config.num_train_timesteps,
                              {1, digit_side, digit_side}};
    recipe.draw = [&](std::int64_t step) {
        const Batch batch = draw_batch(task, lesson, request, step);
        return StepSamples{
            options.batch_size, [&, batch](auto...) {
                return denoising_loss(
                    {denoiser.unet, denoiser.schedule, batch.pictures, batch.classes}, batch.pairs);
            }};
    };
    EmaOptions averaging;
    averaging.decay = 0.99;
    Ema averages(recipe.learns, averaging);
    std::int64_t steps = 0;
    TensorMap optimiser;
    StageLosses losses;
    TrainingControls controls;
    controls.monitor = task.monitor;
    controls.after_step = [&] { averages.update(steps); };
    train(recipe, options, {steps, optimiser, losses}, controls);
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : recipe.learns) tensor.copy_(averages.averages().at(name));
    return losses;
}

Tensor draw_digits(const DigitDenoiser& denoiser, const Tensor& labels,
                   const DrawingOptions& options) {
    const at::NoGradGuard no_grad;
    const auto timetable =
        pipeline::make_timetable(pipeline::Sampler::ddim, denoiser.schedule, options.steps);
    const Tensor classes = class_embedding(labels);
    const pipeline::Denoiser denoise = [&](const Tensor& x, double t) {
        return guided_noise(denoiser.unet, x, t, classes, options.guidance);
    };
    pipeline::SamplerControls controls;
    controls.monitor = options.monitor;
    controls.on_step = options.on_step;
    const Tensor noise = at::randn({labels.size(0), 1, digit_side, digit_side},
                                   step_generator(options.seed, drawing_stream, 0));
    return pipeline::sample(denoise, denoiser.schedule, timetable, noise, controls);
}

Tensor draw_any_digits(const DigitDenoiser& denoiser, std::int64_t count,
                       const DrawingOptions& options) {
    DrawingOptions any = options;
    any.guidance = 0;
    return draw_digits(denoiser, at::zeros({count}, at::TensorOptions().dtype(at::kLong)), any);
}

}  // namespace keepsake::optimize
