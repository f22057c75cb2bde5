#include "optimize/imagic/denoising_recipe.h"

#include <utility>

#include "optimize/training/denoising.h"
#include "pipeline/networks/activation_bytes.h"

namespace keepsake::optimize {

using pipeline::Activations;

TrainingRecipe denoising_recipe(const TuningTask& task, const StageOptions& options, Stream stream,
                                const pipeline::UNet& unet, std::function<Tensor()> embedding) {
    TrainingRecipe recipe;
    const auto denoising = [&unet, &schedule = task.schedule, latents = task.latents,
                            embedding = std::move(embedding)] {
        return DenoisingTask{unet, schedule, latents, embedding()};
    };
    const DrawRequest request{task.seed,
                              stream,
                              options.draws,
                              options.batch_size,
                              task.schedule.config.num_train_timesteps,
                              task.latents.sizes().slice(1).vec(),
                              task.latents.device()};
    recipe.draw = [denoising, request](std::int64_t step) {
        const Draw pairs = draw_pairs(request, step);
        return StepSamples{
            pairs.size(),
            [denoising, pairs](std::int64_t begin, std::int64_t end, Activations activations) {
                return denoising_loss(denoising(), pairs.part(begin, end), activations);
            }};
    };
    recipe.samples_at_once = samples_at_once(task.latents);
    recipe.activation_bytes = [&unet, latents = task.latents](std::int64_t samples) {
        return pipeline::activation_bytes(unet, samples, latents.size(2), latents.size(3));
    };
    recipe.device = task.latents.device();
    recipe.evaluate = [denoising] { return evaluation_loss(denoising()); };
    return recipe;
}

TrainingControls training_controls(const StageControls& controls, const Tuning& tuning) {
    TrainingControls result;
    result.monitor = controls.monitor;
    result.checkpointing = controls.checkpointing;
    result.warn = controls.warn;
    if (controls.after_step) result.after_step = [&] { controls.after_step(tuning); };
    return result;
}

}  // namespace keepsake::optimize
