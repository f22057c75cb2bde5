// What a training says of its losses.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace keepsake::optimize {

// The loss on the fixed evaluation set, before and after a stage, and the training loss along it.
struct StageLosses {
    std::optional<double> before, after;
    std::vector<double> training;  // one a step
    std::optional<double> rate;  // the learning rate that was found by trying (imagic/rate_trial.h)
    // Mean of the last `window` training losses; 0 when there is none.
    double average(std::size_t window = 50) const;
};

}  // namespace keepsake::optimize
