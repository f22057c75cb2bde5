#include "optimize/imagic/fast.h"

namespace keepsake::optimize {

TuningOptions fast_options() {
    TuningOptions options;
    options.embedding.steps = 40;
    options.embedding.learning_rate = 2e-2;
    options.embedding.schedule = RateSchedule::cosine;
    options.embedding.draws = Draws::stratified;
    options.finetune.steps = 56;
    options.finetune.learning_rate = 0;
    options.finetune.batch_size = 4;
    options.finetune.adam.beta1 = 0.8;
    options.finetune.adam.beta2 = 0.95;
    options.finetune.schedule = RateSchedule::linear;
    options.finetune.warmup_steps = 5;
    options.finetune.draws = Draws::stratified;
    options.finetune.rank = 16;
    options.noise_share = 0.5;
    return options;
}

TuningOptions fast_options_again(double first_rate) {
    TuningOptions options = fast_options();
    options.embedding.steps = 0;
    options.finetune.steps = 7;
    options.finetune.learning_rate = 0.3 * first_rate;
    options.finetune.adam.beta1 = 0.5;
    options.finetune.warmup_steps = 2;
    return options;
}

}  // namespace keepsake::optimize
