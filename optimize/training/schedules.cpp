#include "optimize/training/schedules.h"

#include <algorithm>
#include <cmath>

namespace keepsake::optimize {

namespace {

double half_cosine(double part) {
    return std::max(0.0, 0.5 * (1 + std::cos(M_PI * part)));
}

// What the rate is multiplied with.
double factor(const ScheduleOptions& options, std::int64_t step) {
    const auto warm_up = static_cast<double>(options.warmup_steps);
    const auto steps = static_cast<double>(options.steps), at = static_cast<double>(step);
    if (options.kind == LearningSchedule::constant) return 1;
    if (step < options.warmup_steps) return at / std::max(1.0, warm_up);
    const double part = (at - warm_up) / std::max(1.0, steps - warm_up);
    switch (options.kind) {
        case LearningSchedule::linear:
            return std::max(0.0, (steps - at) / std::max(1.0, steps - warm_up));
        case LearningSchedule::cosine:
            return half_cosine(part);
        case LearningSchedule::cosine_with_restarts: {
            const double turns = options.cycles * part;
            return part >= 1 ? 0 : half_cosine(turns - std::floor(turns));
        }
        case LearningSchedule::polynomial: {
            const double last = options.last_rate / options.rate;
            if (step > options.steps) return last;
            return (1 - last) * std::pow(1 - part, options.power) + last;
        }
        default:
            return 1;
    }
}

}  // namespace

double scheduled_rate(const ScheduleOptions& options, std::int64_t step) {
    return options.rate * factor(options, step);
}

}  // namespace keepsake::optimize
