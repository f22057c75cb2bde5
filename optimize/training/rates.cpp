#include "optimize/training/rates.h"

#include <cmath>

#include "optimize/training/stage_options.h"

namespace keepsake::optimize {

double rate_at(const StageOptions& options, std::int64_t step) {
    const double part = static_cast<double>(step) / static_cast<double>(options.steps);
    double rate = options.learning_rate;
    if (options.schedule == RateSchedule::linear) rate *= 1 - part;
    if (options.schedule == RateSchedule::cosine) rate *= 0.5 * (1 + std::cos(M_PI * part));
    if (step < options.warmup_steps)
        rate *= static_cast<double>(step + 1) / static_cast<double>(options.warmup_steps + 1);
    return rate;
}

}  // namespace keepsake::optimize
