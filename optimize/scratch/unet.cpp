#include "optimize/scratch/unet.h"

namespace keepsake::optimize {

PictureOptions unet_options() {
    PictureOptions options;
    options.all_weights = true;
    options.stage.steps = 20'000;
    options.stage.batch_size = 32;
    options.stage.draws = Draws::stratified;
    options.schedule.kind = LearningSchedule::cosine;
    options.schedule.rate = 1e-4;
    options.schedule.warmup_steps = 500;
    options.caption_dropout = 0.1;
    options.min_snr_gamma = 5;
    options.ema.emplace();
    options.ema->warm_up = true;
    options.ema->power = 0.75;
    return options;
}

}  // namespace keepsake::optimize
