// How the fused layers' work is cut into parts that the threads take.
#include <ATen/Parallel.h>

#include <algorithm>

#include "pipeline/compute/fused_products.h"

namespace keepsake::pipeline::fused {

using kernels::Kernels;
using kernels::share;

void share_runs(std::int64_t count, std::int64_t run,
                const std::function<void(std::int64_t, std::int64_t)>& work) {
    share((count + run - 1) / run, at::get_num_threads(),
          [&](std::int64_t i) { work(i * run, std::min(count, (i + 1) * run)); });
}

namespace {

// How a product is cut into parts that threads take: by groups of panels and by runs of rows,
// several parts a thread so that one that is held up does not hold up all, runs short enough for
// the second-level cache.
struct Parts {
    std::int64_t run = 0, runs = 0;         // rows of a run, and runs
    std::int64_t panels = 0, per_part = 1;  // of B, and of a group
    std::int64_t groups() const { return (panels + per_part - 1) / per_part; }
    std::int64_t count() const { return runs * groups(); }
};

Parts parts_of(const Kernels& k, const kernels::Product& job) {
    const std::int64_t threads = at::get_num_threads(), unit = k.tile_rows;
    Parts parts;
    parts.panels = (job.columns + k.panel_width - 1) / k.panel_width;
    const auto cut = [&] { parts.runs = (job.rows + parts.run - 1) / parts.run; };
    const auto halve = [&] { parts.run = (parts.run / 2 + unit - 1) / unit * unit; };
    // Where panels are packed on the way, a part packs its panel anew, so that runs are long: no
    // shorter than what makes eight parts a thread, nor than 512 rows.
    const std::int64_t even = (job.rows * parts.panels + 8 * threads - 1) / (8 * threads);
    const std::int64_t usual = k.in_tiles ? 256 : 96;
    parts.run = job.panels ? usual : std::min(job.rows, std::max<std::int64_t>(512, even));
    cut();
    if (k.arithmetic == Arithmetic::float32) {
        for (; job.panels && parts.run > unit && parts.count() < 4 * threads; cut()) halve();
        return parts;
    }
    // A part rounds its rows once for all its panels: few groups of panels, and rounded rows of at
    // most half a megabyte; a whole one by tiles, which read them and the panels so fast that long
    // runs pay.
    const auto rounded = [&] {
        return k.product_scratch(job, {0, std::min(parts.run, job.rows), 0, 0});
    };
    const std::int64_t most = k.in_tiles ? 1 << 18 : 1 << 17;  // floats
    for (; parts.run > 2 * unit && rounded() > most; cut()) halve();
    for (; parts.run > 4 * unit && parts.count() < 4 * threads; cut()) halve();
    const std::int64_t wanted = std::clamp<std::int64_t>(4 * threads / parts.runs, 1, parts.panels);
    parts.per_part = (parts.panels + wanted - 1) / wanted;
    return parts;
}

void run_part(const Kernels& k, const kernels::Product& job, const Parts& parts, std::int64_t i) {
    const std::int64_t panel = i / parts.runs * parts.per_part, begin = i % parts.runs * parts.run;
    const std::int64_t end = std::min(begin + parts.run, job.rows);
    const kernels::Part part{begin, end, panel, std::min(panel + parts.per_part, parts.panels)};
    const std::int64_t room = k.product_scratch(job, part);
    const Tensor scratch =
        room ? at::empty({room}, at::TensorOptions().dtype(at::kFloat)) : Tensor();
    k.product(job, part, room ? scratch.mutable_data_ptr<float>() : nullptr);
}

}  // namespace

void run_product(const Kernels& k, const kernels::Product& job) {
    run_products(k, {job});
}

void run_products(const Kernels& k, const std::vector<kernels::Product>& jobs) {
    std::vector<Parts> parts;
    std::int64_t count = 0;
    for (const kernels::Product& job : jobs) count += parts.emplace_back(parts_of(k, job)).count();
    share(count, at::get_num_threads(), [&](std::int64_t i) {
        std::size_t job = 0;
        for (; i >= parts[job].count(); ++job) i -= parts[job].count();
        run_part(k, jobs[job], parts[job], i);
    });
}

// Whether Winograd's convolution pays: below so many tiles, turning the weights costs more than the
// multiplications it saves. Kept weights are turned once. The tiles of one picture decide, so that
// a picture gives the same numbers alone and among others.
bool suits_winograd(const Kernels& k, const Geometry& g, bool kept) {
    if (k.in_tiles) return false;
    const std::int64_t tiles = (g.out_height() / 2) * (g.out_width() / 2);
    return g.kernel == 3 && g.stride == 1 && g.padding == 1 && g.in >= 32 && g.out >= 32 &&
           g.out_height() % 2 == 0 && g.out_width() % 2 == 0 && tiles >= (kept ? 16 : 64);
}

void run_winograd(const Kernels& k, const Geometry& g, const Tensor& prepared, const Tensor& packed,
                  const kernels::Product& added) {
    kernels::Winograd job;
    job.x = prepared.const_data_ptr<float>();
    job.batch = g.batch;
    job.height = g.out_height();
    job.width = g.out_width();
    job.channels = g.in;
    job.columns = g.out;
    job.panels = packed.const_data_ptr();
    job.bias = added.bias;
    job.group_bias = added.group_bias;
    job.rows_per_group = added.rows_per_group;
    job.residual = added.residual;
    job.c = added.c;
    const std::int64_t tiles = job.tiles(), threads = at::get_num_threads();
    const std::int64_t panels = (g.out + k.panel_width - 1) / k.panel_width;
    // Whole tiles of the kernel, few, so that their values stay in the second-level cache. Many
    // channels' panels are too large to be read again and again: there runs are twice as long, and
    // rather the panels are cut, though each group turns the tiles anew. At least two parts a
    // thread.
    const std::int64_t unit = k.tile_rows;
    const bool large = g.in > 640;
    std::int64_t run = (large ? 8 : 4) * unit, groups = 1;
    const auto runs = [&] { return (tiles + run - 1) / run; };
    while (large && groups < 4 && runs() * groups < 2 * threads) groups *= 2;
    while (run > unit && runs() * groups < 2 * threads) run /= 2;
    const std::int64_t per_group = (panels + groups - 1) / groups;
    share(runs() * groups, threads, [&](std::int64_t i) {
        const std::int64_t begin = i % runs() * run, end = std::min(begin + run, tiles);
        const std::int64_t panel = i / runs() * per_group;
        const Tensor scratch = at::empty({k.winograd_scratch(end - begin, g.in)},
                                         at::TensorOptions().dtype(at::kFloat));
        k.winograd(job, begin, end, std::min(panel, panels), std::min(panel + per_group, panels),
                   scratch.mutable_data_ptr<float>());
    });
}

}  // namespace keepsake::pipeline::fused
