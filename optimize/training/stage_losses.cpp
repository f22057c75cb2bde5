#include "optimize/training/stage_losses.h"

#include <algorithm>
#include <numeric>

namespace keepsake::optimize {

double StageLosses::average(std::size_t window) const {
    const std::size_t n = std::min(window, training.size());
    if (n == 0) return 0;
    return std::accumulate(training.end() - static_cast<std::ptrdiff_t>(n), training.end(), 0.0) /
           static_cast<double>(n);
}

}  // namespace keepsake::optimize
