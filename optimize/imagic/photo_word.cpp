#include "optimize/imagic/photo_word.h"

#include <ATen/core/grad_mode.h>

#include "optimize/imagic/denoising_recipe.h"

namespace keepsake::optimize {

namespace {

double root_mean_square(const Tensor& tensor) {
    return tensor.to(at::kDouble).square().mean().sqrt().item<double>();
}

}  // namespace

void optimise_word(const TuningTask& task, const PhotoWord& word, const StageOptions& given,
                   Tuning& tuning, const StageControls& controls) {
    if (!tuning.word.defined()) tuning.word = word.start.detach().clone();
    StageOptions options = given;
    options.learning_rate *=
        root_mean_square(word.start) / root_mean_square(tuning.target_embedding);
    const pipeline::TextEncoder encoder = word.encoder.with_tokens(tuning.word);
    const auto embedding = [&] { return encoder(word.ids).to(at::kFloat); };
    TrainingRecipe recipe =
        denoising_recipe(task, options, Stream::imagic_embedding, task.unet, embedding);
    recipe.name = "embedding";
    recipe.learns = {{"word", tuning.word}};
    train(recipe, options, {tuning.embedding_steps, tuning.adam, tuning.embedding_losses},
          training_controls(controls, tuning));
    const at::NoGradGuard no_grad;
    tuning.optimised_embedding = embedding();
}

}  // namespace keepsake::optimize
