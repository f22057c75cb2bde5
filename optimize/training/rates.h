// How the learning rate goes over a stage.
#pragma once

#include <cstdint>

namespace keepsake::optimize {

// constant; or down to zero, in a line or in half a cosine (Loshchilov & Hutter, arXiv 1608.03983,
// eq. 5).
enum class RateSchedule { constant, linear, cosine };

struct StageOptions;

// The learning rate of a step, counted from 0. While it warms up it falls as it would without.
double rate_at(const StageOptions& options, std::int64_t step);

}  // namespace keepsake::optimize
