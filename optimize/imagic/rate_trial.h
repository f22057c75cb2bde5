// The learning rate of stage B, found by trying.
//
// The best rate of one network may be several times that of another, and one that overshoots ruins
// the whole tuning. So a few short runs, each from the same start and on the same draws, are
// compared by the loss on the fixed evaluation pairs (training/draws.h), and the rate is read from
// the lowest point of the curve through them. What optimisers that adapt (Prodigy, Mishchenko and
// Defazio, arXiv 2306.06101) need hundreds of steps to find has to be there before the first of 56.
// Measured on four networks in docs/fast-mode.md.
#pragma once

#include <vector>

#include "optimize/imagic/imagic.h"

namespace keepsake::optimize {

// Steps of one trial: a tuning of that length, with the stage's own schedule pressed into it.
inline constexpr std::int64_t rate_trial_steps = 8;
// From here the search goes on to lower and higher rates, by factors of two.
inline constexpr double first_rate_tried = 2e-3;
inline constexpr int most_rates_tried = 6;

struct TriedRate {
    double rate = 0;
    double loss = 0;  // on the evaluation pairs afterwards; infinite where it was no number
};

// Of rates that were tried the one to learn with: the lowest point of the parabola through the best
// and its two neighbours, the losses over log(rate); the best itself where it has no neighbour on
// one side, or one that is infinite. Rounded to two digits, so that a person can give it again.
// Throws Error when `tried` is empty or no loss is finite.
double best_rate(std::vector<TriedRate> tried);

// The rate for fine_tune(task, options, tuning), whose stage A is done and whose stage B is not
// begun; options.learning_rate is not looked at. `tuning` is not changed. The monitor gets
// "rate" with the steps of the trials, and at last what was found. Throws Error when no rate gives
// finite losses, and Cancelled.
double find_finetune_rate(const TuningTask& task, const StageOptions& options, const Tuning& tuning,
                          const StageControls& controls = {});

}  // namespace keepsake::optimize
