#include "pipeline/compute/arithmetic.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <vector>

#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline {
namespace {

using kernels::Kernels;
using Clock = std::chrono::steady_clock;

// A 3x3 convolution's shape: long rows, two panels and a few tiles, within the caches.
struct Trial {
    static constexpr std::int64_t rows = 96, columns = 64, depth = 576;
    std::vector<float> a = std::vector<float>(rows * depth, 0.5f);
    std::vector<float> weights = std::vector<float>(columns * depth, 0.25f);
    std::vector<float> c = std::vector<float>(rows * columns);

    // Seconds of one product on this thread, the least of several.
    double seconds(const Kernels& k) {
        kernels::Product job;
        job.a = a.data();
        job.a_rows = {rows, 1, depth, 0, 0};
        job.segment_length = depth;
        job.rows = rows;
        job.columns = columns;
        const std::int64_t panels = (columns + k.panel_width - 1) / k.panel_width;
        std::vector<float> packed(
            static_cast<std::size_t>(kernels::packed_size(k.panel_width, columns, depth)));
        k.pack({weights.data()}, columns, depth, packed.data(), 0, panels);
        job.panels = packed.data();
        job.c = c.data();
        job.c_rows = {rows, 1, columns, 0, 0};
        std::vector<float> scratch(static_cast<std::size_t>(k.product_scratch(job, rows)));
        double least = std::numeric_limits<double>::max();
        for (int i = 0; i < 30; ++i) {
            const Clock::time_point begin = Clock::now();
            k.product(job, {0, rows, 0, panels}, scratch.data());
            least = std::min(least, std::chrono::duration<double>(Clock::now() - begin).count());
        }
        return least;
    }
};

bool try_bfloat16() {
    const Kernels* plain = kernels::kernels_for(Arithmetic::float32);
    const Kernels* rounded = kernels::kernels_for(Arithmetic::bfloat16);
    if (!plain || !rounded) return false;
    Trial trial;
    constexpr double enough = 0.8;
    return trial.seconds(*rounded) <= enough * trial.seconds(*plain);
}

}  // namespace

bool has_fast_bfloat16() {
    static const bool fast = try_bfloat16();
    return fast;
}

}  // namespace keepsake::pipeline
