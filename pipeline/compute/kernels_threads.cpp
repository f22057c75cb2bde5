// Compiled with OpenMP (pipeline/CMakeLists.txt).
#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline::kernels {

void share(std::int64_t parts, int threads, const std::function<void(std::int64_t)>& part) {
    if (parts <= 1 || threads <= 1) {
        for (std::int64_t i = 0; i < parts; ++i) part(i);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (std::int64_t i = 0; i < parts; ++i) part(i);
}

}  // namespace keepsake::pipeline::kernels
