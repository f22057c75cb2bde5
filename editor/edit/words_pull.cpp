#include "editor/edit/words_pull.h"

#include "editor/transfer/words_region.h"
#include "optimize/imagic/words_network.h"

namespace keepsake::editor {

WordsPull words_pull(const pipeline::Model& model, const optimize::Tuning& tuning,
                     const Pixels& square, Monitor& monitor) {
    const pipeline::UNet asked = optimize::words_network(model.unet, tuning);
    const WordsRegionOptions options;
    return {asked, words_region(model, asked, tuning, square, options, monitor).mask};
}

pipeline::EditTask edit_task(const pipeline::Model& model, const optimize::Tuning& tuning,
                             const WordsPull& words, int size) {
    pipeline::EditTask task{tuning.unet ? *tuning.unet : model.unet, words.network, {}, {}, {}, {}};
    task.target = tuning.target_embedding;
    task.optimised = tuning.optimised_embedding;
    task.width = task.height = size;
    if (words.region) {
        const std::int64_t side = size / model.vae.config().downscale();
        task.mask = latent_mask(*words.region, side, side);
    }
    return task;
}

}  // namespace keepsake::editor
