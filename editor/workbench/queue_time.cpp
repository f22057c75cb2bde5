#include "editor/workbench/queue_time.h"

#include <algorithm>
#include <vector>

namespace keepsake::editor {
namespace {

using State = QueuedEdit::State;

constexpr double strip_pictures = 13;
constexpr double passes_of_learning = 3;  // forward, and backward of about twice its work
constexpr double passes_of_drawing = 2;   // with the text and without
// Before that the beginning, which is not of the steps, counts for too much.
constexpr double least_fraction = 0.1;

// Edits of one sort take the same time. The text and the seeds say nothing of that.
QueueSettings sort_of(const std::optional<QueueSettings>& settings) {
    QueueSettings sort = settings.value_or(QueueSettings{});
    sort.seed = sort.tuning.seed = 0;
    sort.tuning.crop = {};
    sort.sample.negative.clear();
    return sort;
}

// In passes of the network over a pixel; 1 where nothing is said.
double work_of(const QueueSettings& sort) {
    if (sort.tuning.size == 0) return 1;
    const auto learning =
        static_cast<double>(sort.tuning.embedding_steps + sort.tuning.finetune_steps);
    const double pixels = double(sort.tuning.size) * sort.tuning.size;
    return pixels * (passes_of_learning * learning +
                     passes_of_drawing * strip_pictures * std::max(sort.sample.steps, 1));
}

struct Known {
    QueueSettings sort;
    double seconds = 0;
};

std::vector<Known> known_of(const EditQueue& queue, const QueueProgress& progress) {
    std::vector<Known> known;
    for (const QueuedEdit& edit : queue.edits)
        if (edit.state == State::done && edit.seconds > 0)
            known.push_back({sort_of(edit.settings), edit.seconds});
    const QueuedEdit* working = find_edit(queue, progress.id);
    if (known.empty() && working && progress.fraction > least_fraction)
        known.push_back({sort_of(working->settings), progress.seconds / progress.fraction});
    return known;
}

// Not the mean: one that was made before is there at once.
double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

double expected(const QueuedEdit& edit, const std::vector<Known>& known) {
    const QueueSettings sort = sort_of(edit.settings);
    std::vector<double> same, scaled;
    for (const Known& one : known) {
        scaled.push_back(one.seconds * work_of(sort) / work_of(one.sort));
        if (one.sort == sort) same.push_back(one.seconds);
    }
    return median(same.empty() ? scaled : same);
}

}  // namespace

std::optional<double> seconds_left(const EditQueue& queue, const QueueProgress& progress) {
    const std::vector<Known> known = known_of(queue, progress);
    if (known.empty()) return std::nullopt;
    double seconds = 0;
    for (const QueuedEdit& edit : queue.edits) {
        if (edit.state == State::working)
            seconds += expected(edit, known) *
                       (edit.id == progress.id ? 1 - std::clamp(progress.fraction, 0.0, 1.0) : 1);
        // What was begun and paused has some of it behind it.
        if (edit.state == State::waiting && !edit.text.empty())
            seconds += std::max(expected(edit, known) - edit.seconds, 0.0);
    }
    if (seconds <= 0) return std::nullopt;
    return seconds;
}

}  // namespace keepsake::editor
