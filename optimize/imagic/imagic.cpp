#include "optimize/imagic/imagic.h"

#include <utility>

#include "optimize/training/denoising.h"
#include "optimize/training/draws.h"
#include "optimize/training/loop.h"
#include "pipeline/networks/activation_bytes.h"

namespace keepsake::optimize {

namespace {

using pipeline::Activations;
using pipeline::UNet;

// What both stages say of themselves: `learns` learns to denoise the photo with `embedding`
// (equation 2 of the paper).
TrainingRecipe denoising_recipe(const TuningTask& task, const StageOptions& options, Stream stream,
                                const DenoisingTask& denoising) {
    TrainingRecipe recipe;
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
                return denoising_loss(denoising, pairs.part(begin, end), activations);
            }};
    };
    recipe.samples_at_once = samples_at_once(task.latents);
    recipe.activation_bytes = [denoising](std::int64_t samples) {
        return pipeline::activation_bytes(denoising.unet, samples, denoising.latents.size(2),
                                          denoising.latents.size(3));
    };
    recipe.device = task.latents.device();
    recipe.evaluate = [denoising] { return evaluation_loss(denoising); };
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

}  // namespace

StageOptions paper_embedding_options() {
    StageOptions options;
    options.steps = 1000;
    options.learning_rate = 2e-3;
    return options;
}

StageOptions paper_finetune_options() {
    StageOptions options;
    options.steps = 1500;
    options.learning_rate = 5e-7;
    return options;
}

void optimise_embedding(const TuningTask& task, const StageOptions& options, Tuning& tuning,
                        const StageControls& controls) {
    if (!tuning.optimised_embedding.defined())
        tuning.optimised_embedding = tuning.target_embedding.detach().clone();
    TrainingRecipe recipe =
        denoising_recipe(task, options, Stream::imagic_embedding,
                         {task.unet, task.schedule, task.latents, tuning.optimised_embedding});
    recipe.name = "embedding";
    recipe.learns = {{"embedding", tuning.optimised_embedding}};
    train(recipe, options, {tuning.embedding_steps, tuning.adam, tuning.embedding_losses},
          training_controls(controls, tuning));
}

void fine_tune(const TuningTask& task, const StageOptions& options, Tuning& tuning,
               const StageControls& controls) {
    if (!tuning.optimised_embedding.defined())
        throw Error("fine-tuning", "needs the optimised embedding of stage A first");
    TensorMap learns;
    if (options.rank > 0) {
        if (tuning.loras.empty())
            tuning.loras = pipeline::make_loras(
                task.unet, options.rank, step_generator(task.seed, Stream::imagic_finetune, -2));
        tuning.unet = pipeline::with_loras(task.unet, tuning.loras);
        learns = pipeline::lora_tensors(tuning.loras);
    } else {
        if (!tuning.unet) tuning.unet = task.unet.clone();
        learns = tuning.unet->parameters();
    }
    TrainingRecipe recipe =
        denoising_recipe(task, options, Stream::imagic_finetune,
                         {*tuning.unet, task.schedule, task.latents, tuning.optimised_embedding});
    recipe.name = "finetune";
    recipe.learns = std::move(learns);
    // The network and the embedding are still those that stage A ended with.
    if (tuning.finetune_steps == 0 && !tuning.finetune_losses.before)
        tuning.finetune_losses.before = tuning.embedding_losses.after;
    train(recipe, options, {tuning.finetune_steps, tuning.adam, tuning.finetune_losses},
          training_controls(controls, tuning));
    if (options.rank > 0) tuning.unet = pipeline::apply_loras(task.unet, tuning.loras);
}

Tensor interpolate(const Tensor& target, const Tensor& optimised, double eta) {
    return eta * target + (1.0 - eta) * optimised;
}

double evaluation_loss(const UNet& unet, const pipeline::Schedule& schedule, const Tensor& latents,
                       const Tensor& embedding) {
    return evaluation_loss({unet, schedule, latents, embedding});
}

}  // namespace keepsake::optimize
