// How far long work is, and how long it takes still.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "pipeline/error.h"

namespace keepsake::editor {

struct WorkProgress {
    // "embedding", "rate", "finetune", "render"; of learning "pictures", "encode", "class", "learn"
    std::string stage;
    std::int64_t done = 0, total = 0;
    double rate = 0;                     // steps a second; 0 while unknown
    std::optional<double> seconds_left;  // of the whole work
};

// Reads the progress of one stage: the rate counts the steps of this run only.
class RateClock {
  public:
    WorkProgress read(const Progress& progress);

  private:
    std::string stage_;
    std::int64_t first_ = 0;
    std::chrono::steady_clock::time_point begin_;
};

// Whether what changes all the time is to be shown again: not more often than one can look, since
// each time a window draws.
class Pace {
  public:
    bool is_time();

  private:
    std::chrono::steady_clock::time_point last_;
};

}  // namespace keepsake::editor
