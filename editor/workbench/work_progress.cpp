#include "editor/workbench/work_progress.h"

#include "editor/edit/clock.h"

namespace keepsake::editor {

WorkProgress RateClock::read(const Progress& progress) {
    // What follows the first word are details.
    const std::string stage(progress.note.substr(0, progress.note.find(' ')));
    if (stage_ != stage) {
        stage_ = stage;
        first_ = progress.done;
        begin_ = Clock::now();
    }
    WorkProgress result{stage, progress.done, progress.total, 0, std::nullopt};
    const double seconds = seconds_since(begin_);
    if (progress.done > first_ && seconds > 0) {
        result.rate = static_cast<double>(progress.done - first_) / seconds;
        result.seconds_left = static_cast<double>(progress.total - progress.done) / result.rate;
    }
    return result;
}

bool Pace::is_time() {
    constexpr double least_seconds = 0.15;
    if (seconds_since(last_) < least_seconds) return false;
    last_ = Clock::now();
    return true;
}

}  // namespace keepsake::editor
