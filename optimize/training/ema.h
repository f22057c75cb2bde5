// Moving averages of weights that learn, which draw better than the weights themselves.
#pragma once

#include <cstdint>

#include "optimize/training/adam.h"

namespace keepsake::optimize {

// diffusers' EMAModel; the values are those of its training scripts.
struct EmaOptions {
    double decay = 0.9999;     // the largest
    double min_decay = 0;      // the smallest
    std::int64_t after = 0;    // steps that are not averaged yet: the average is the weights
    bool warm_up = false;      // which of the two curves leads to `decay`
    double inverse_gamma = 1;  // of the warm-up
    double power = 2.0 / 3;    // likewise; 3/4 suits short trainings
};

// How much of the average stays at an update, counted from 1 (EMAModel.get_decay): with
// s = max(0, update - after - 1), 0 at s = 0, else (1 + s) / (10 + s), or with warm-up
// 1 - (1 + s / inverse_gamma)^-power; between the smallest and the largest.
double ema_decay(const EmaOptions& options, std::int64_t update);

class Ema {
  public:
    // Starts as copies of `parameters`, whose values it reads at each update.
    Ema(TensorMap parameters, EmaOptions options);

    // average -= (1 - decay) * (average - parameter). update: counted from 1, after the optimiser's
    // step of the same number.
    void update(std::int64_t update);

    // By the parameters' names: handles.
    const TensorMap& averages() const { return averages_; }
    // Throws Error naming a tensor that is missing or misshapen.
    void load(const TensorMap& averages);

  private:
    EmaOptions options_;
    TensorMap parameters_, averages_;
};

}  // namespace keepsake::optimize
