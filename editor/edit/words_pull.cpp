#include "editor/edit/words_pull.h"

#include "editor/transfer/words_region.h"

namespace keepsake::editor {

double full_pull_of(Mode mode) {
    return mode == Mode::quick ? full_pull_untuned : full_pull;
}

WordsPull words_pull(const pipeline::Model& model, const optimize::Tuning& tuning,
                     const Pixels& square, const at::Tensor& latents, Monitor& monitor) {
    const WordsRegionOptions options;
    return {words_region(model, tuning, {square, latents}, options, monitor).mask};
}

pipeline::EditTask edit_task(const pipeline::Model& model, const optimize::Tuning& tuning,
                             const WordsPull& words, const at::Tensor& uncond, const Size& size) {
    pipeline::EditTask task{tuning.unet ? *tuning.unet : model.unet, {}, {}, {}, {}};
    task.target = tuning.target_embedding;
    task.optimised = tuning.optimised_embedding;
    task.uncond = uncond;
    task.width = size.width;
    task.height = size.height;
    if (words.region) {
        const std::int64_t unit = model.vae.config().downscale();
        task.mask = latent_mask(*words.region, size.height / unit, size.width / unit);
    }
    return task;
}

}  // namespace keepsake::editor
