// Learning rates as diffusers' training scripts have them (optimization.py), for recipes whose
// published settings name these. Imagic's own are in rates.h.
#pragma once

#include <cstdint>

namespace keepsake::optimize {

enum class LearningSchedule {
    constant,  // knows no warm-up
    constant_with_warmup,
    linear,
    cosine,
    cosine_with_restarts,
    polynomial,
};

// Defaults are those of diffusers' functions.
struct ScheduleOptions {
    LearningSchedule kind = LearningSchedule::constant;
    double rate = 1e-4;             // the largest
    std::int64_t steps = 1000;      // of the whole training
    std::int64_t warmup_steps = 0;  // the rate grows in a line over these, from 0 at the first
    double cycles = 1;              // of cosine_with_restarts
    double power = 1;               // of polynomial
    double last_rate = 1e-7;        // likewise
};

// The rate of a step, counted from 0.
double scheduled_rate(const ScheduleOptions& options, std::int64_t step);

}  // namespace keepsake::optimize
