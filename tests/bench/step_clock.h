// How long a step of a training takes, for keepsake_bench.
#pragma once

#include <chrono>
#include <optional>

namespace keepsake::bench {

// Seconds between the ends of consecutive steps: what comes before the first step (a copy of the
// network, the evaluation loss) and after the last is no part of a step.
class StepClock {
  public:
    void tick() {
        last_ = Clock::now();
        if (!first_) first_ = last_;
    }
    double per_step(int steps) const {
        return std::chrono::duration<double>(last_ - *first_).count() / steps;
    }

  private:
    using Clock = std::chrono::steady_clock;
    std::optional<Clock::time_point> first_;
    Clock::time_point last_;
};

}  // namespace keepsake::bench
