// The panels of B that the products of kernels.h read, for one vector width.
// See kernels_vector.h for the unnamed namespace.
#pragma once

#include "pipeline/compute/kernels.h"
#include "pipeline/compute/kernels_numbers.h"

namespace keepsake::pipeline::kernels {
namespace {

template <int Width, class Numbers>
struct Packing {
    using V = Vectors<Width>;
    using Floats = typename V::Floats;
    using Number = typename Numbers::Number;
    static constexpr std::int64_t panel = 2 * Width;
    static constexpr std::int64_t step = Numbers::step;

    static std::int64_t in_units(std::int64_t depth) {
        return (depth + Numbers::depth_unit - 1) / Numbers::depth_unit * Numbers::depth_unit;
    }

    // The vectors of panel p: one where the columns that are left fill no more.
    static int vectors_of(std::int64_t columns, std::int64_t p) {
        return columns - p * panel <= Width ? 1 : 2;
    }

    // Calls work with the numbers as they are kept and where they begin.
    template <class Work>
    static inline void with_numbers(StoredWeight weights, const Work& work) {
        switch (weights.as) {
            case Stored::float32:
                return work(Float32{}, static_cast<const float*>(weights.data));
            case Stored::float16:
                return work(Float16{}, static_cast<const std::uint16_t*>(weights.data));
            case Stored::bfloat16:
                return work(Bfloat16{}, static_cast<const std::uint16_t*>(weights.data));
        }
    }

    // B^T: `depth` numbers of row j begin at j * stride.
    template <class Kept>
    struct Columns {
        const typename Kept::Value* weights;
        std::int64_t stride, depth;
    };

    // Width * step numbers of K from p, `count` of them, zeros beyond.
    template <class Kept>
    static inline Floats load_along(Kept kept, const typename Kept::Value* p, std::int64_t count) {
        Floats run[step];
        for (std::int64_t i = 0; i < step; ++i)
            run[i] = V::load_some(kept, p + i * Width, count - i * Width);
        return Numbers::along(run);
    }

    // One panel: element (k, j) of B is number k of row rows[j]; rows[j] < 0 gives zeros.
    template <class Kept>
    static void pack_panel(Kept kept, const Columns<Kept>& from, const std::int64_t* rows,
                           std::int64_t width, Number* out) {
        for (std::int64_t first = 0; first < width; first += Width) {
            for (std::int64_t k = 0; k < from.depth; k += Width * step) {
                const std::int64_t count = smaller(Width * step, from.depth - k);
                Floats block[Width];
                for (int i = 0; i < Width; ++i) {
                    const std::int64_t row = rows[first + i];
                    block[i] = row < 0
                                   ? Floats{}
                                   : load_along(kept, from.weights + row * from.stride + k, count);
                }
                V::transpose(block);
                for (std::int64_t i = 0; i < count; i += step)
                    Numbers::store(out + (k + i) * width + first * step, block[i / step]);
            }
        }
    }

    static void pack_columns(StoredWeight weights, std::int64_t columns, std::int64_t depth,
                             std::int64_t p, Number* out) {
        std::int64_t rows[panel];
        for (std::int64_t j = 0; j < panel; ++j)
            rows[j] = p * panel + j < columns ? p * panel + j : -1;
        with_numbers(weights, [&](auto kept, const auto* numbers) {
            pack_panel(kept, {numbers, depth, depth}, rows, vectors_of(columns, p) * Width, out);
        });
    }

    static void pack(StoredWeight weights, std::int64_t columns, std::int64_t depth, void* panels,
                     std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p)
            pack_columns(weights, columns, depth, p,
                         static_cast<Number*>(panels) + p * panel * depth);
    }

    static void pack_pairs(StoredWeight weights, std::int64_t columns, std::int64_t depth,
                           void* panels, std::int64_t begin, std::int64_t end) {
        const std::int64_t half = columns / 2;
        for (std::int64_t p = begin; p < end; ++p) {
            std::int64_t rows[panel];
            for (std::int64_t j = 0; j < Width; ++j) {
                const std::int64_t column = p * Width + j;
                rows[j] = column < half ? column : -1;
                rows[Width + j] = column < half ? half + column : -1;
            }
            with_numbers(weights, [&](auto kept, const auto* numbers) {
                pack_panel(kept, {numbers, depth, depth}, rows, panel,
                           static_cast<Number*>(panels) + p * panel * depth);
            });
        }
    }

    static void pack_transposed(StoredWeight weights, std::int64_t outs, std::int64_t taps,
                                std::int64_t ins, void* panels, std::int64_t begin,
                                std::int64_t end) {
        with_numbers(weights, [&](auto kept, const auto* numbers) {
            for (std::int64_t p = begin; p < end; ++p) {
                Number* out = static_cast<Number*>(panels) + p * panel * taps * outs;
                const std::int64_t width = vectors_of(ins, p) * Width, first = p * panel;
                for (std::int64_t tap = taps - 1; tap >= 0; --tap) {
                    for (std::int64_t o = 0; o < outs; o += step, out += width * step) {
                        for (std::int64_t j = 0; j < width; j += Width) {
                            Floats rows[step];
                            for (std::int64_t i = 0; i < step; ++i)
                                rows[i] = V::load_some(
                                    kept, numbers + ((o + i) * taps + tap) * ins + first + j,
                                    ins - first - j);
                            Numbers::store(out + j * step, Numbers::across(rows));
                        }
                    }
                }
            }
        });
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
