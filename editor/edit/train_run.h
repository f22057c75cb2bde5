// What the trainings of whole networks share about their run folder: where they stand is saved from
// time to time, and read again.
#pragma once

#include <cstdint>
#include <functional>

#include "editor/edit/clock.h"
#include "editor/session/run_folder.h"
#include "optimize/training/ranks.h"
#include "optimize/training/stage_losses.h"

namespace keepsake::editor {

// A training's state, where its own struct keeps it.
struct TrainingPlace {
    std::int64_t& steps;
    pipeline::TensorMap learns;  // handles, by name
    pipeline::TensorMap& optimiser;
    pipeline::TensorMap& averages;
    optimize::StageLosses& losses;
};

// The last checkpoint comes into `place`, where there is one. Throws Error naming the file when it
// does not hold what learns.
void restore(const RunFolder& folder, const TrainingPlace& place);

// Saves checkpoint and log: when asked, and when it is due. Of several ranks the first alone does.
class RunSaver {
  public:
    // rate: the learning rate of a step, counted from 0. All must outlive it.
    RunSaver(const RunFolder& folder, const TrainingPlace& place, double every_seconds,
             std::function<double(std::int64_t step)> rate, const optimize::Ranks& ranks = {})
        : folder_(folder),
          place_(place),
          every_seconds_(every_seconds),
          rate_(std::move(rate)),
          writes_(is_first(ranks)) {}

    void save();
    // No more often than every so many seconds, and so that no more than a fifth of the time goes
    // into it.
    void save_if_due();

  private:
    const RunFolder& folder_;
    const TrainingPlace& place_;
    double every_seconds_;
    std::function<double(std::int64_t step)> rate_;
    bool writes_;
    Clock::time_point saved_ = Clock::now();
    double cost_ = 0;  // seconds that saving took
};

}  // namespace keepsake::editor
