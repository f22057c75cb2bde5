// What a training is told, whatever it trains.
#pragma once

#include <cstdint>

#include "optimize/training/adam.h"
#include "optimize/training/draws.h"
#include "optimize/training/rates.h"
#include "pipeline/compute/arithmetic.h"

namespace keepsake::optimize {

// One stage of a recipe. The values that suit a recipe are in its own header, as a function that
// returns these options: optimize/imagic/imagic.h, optimize/imagic/fast.h.
struct StageOptions {
    std::int64_t steps = 1000;
    double learning_rate = 1e-4;
    std::int64_t batch_size = 1;  // samples a step: (picture, timestep, noise)
    AdamOptions adam;
    RateSchedule schedule = RateSchedule::constant;
    std::int64_t warmup_steps = 0;  // the rate grows in a line over these
    Draws draws = Draws::independent;
    std::int64_t rank = 0;  // of a LoRA that learns in place of the weights; 0: the weights learn
    // Of the layers' products, forward and backward; the losses on a fixed set are float32's.
    pipeline::Arithmetic arithmetic = pipeline::Arithmetic::float32;
};

}  // namespace keepsake::optimize
