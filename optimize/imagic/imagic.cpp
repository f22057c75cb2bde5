#include "optimize/imagic/imagic.h"

#include <utility>

#include "optimize/imagic/denoising_recipe.h"
#include "optimize/training/denoising.h"

namespace keepsake::optimize {

using pipeline::UNet;

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
        denoising_recipe(task, options, Stream::imagic_embedding, task.unet,
                         [embedding = tuning.optimised_embedding] { return embedding; });
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
        denoising_recipe(task, options, Stream::imagic_finetune, *tuning.unet,
                         [embedding = tuning.optimised_embedding] { return embedding; });
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
