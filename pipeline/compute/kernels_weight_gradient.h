// The gradient of a product's weights of kernels.h for one vector width. See kernels_vector.h for
// the unnamed namespace.
#pragma once

#include "pipeline/compute/kernels.h"
#include "pipeline/compute/kernels_product.h"

namespace keepsake::pipeline::kernels {
namespace {

template <int Width, int Rows, class Numbers = Float32Products<Width>>
struct WeightGradients {
    using P = Products<Width, Rows, Numbers>;
    using V = Vectors<Width>;
    using Floats = typename V::Floats;
    using Number = typename Numbers::Number;
    static constexpr std::int64_t step = Numbers::step;
    static constexpr std::int64_t panel = P::panel;

    // Rows of D and A that go through the weights together: of A so many fill the first-level cache
    // with one panel's columns. What the first rows give is written, the rest added.
    struct GradientRows {
        std::int64_t begin = 0, end = 0;
        bool adds() const { return begin > 0; }
    };

    // Gradient tiles: N outs by `Count` vectors of one run of A.
    template <int N, int Count>
    static void gradient_tile(const WeightGradient& job, const GradientRows& rows, std::int64_t out,
                              std::int64_t segment, std::int64_t k) {
        Floats sums[N][Count];
        for (int r = 0; r < N; ++r)
            for (int v = 0; v < Count; ++v) sums[r][v] = Floats{};
        const float* d = job.d + rows.begin * job.outs + out;
        const float* a = job.a + segment * job.segment_stride + k;
        RowCursor at(job.a_rows);
        at.go_to(rows.begin);
        for (std::int64_t m = rows.begin; m < rows.end; ++m, d += job.outs, at.advance()) {
            const float* source = a + at.offset;
            Floats parts[Count];
            for (int v = 0; v < Count; ++v) parts[v] = V::load(source + v * Width);
#pragma GCC unroll 16
            for (int r = 0; r < N; ++r) {
                const Floats x = V::all(d[r]);
#pragma GCC unroll 2
                for (int v = 0; v < Count; ++v) sums[r][v] += x * parts[v];
            }
        }
        float* g = job.gradient + out * job.depth() + segment * job.segment_length + k;
        for (int r = 0; r < N; ++r, g += job.depth())
            for (int v = 0; v < Count; ++v)
                V::store(g + v * Width,
                         rows.adds() ? V::load(g + v * Width) + sums[r][v] : sums[r][v]);
    }

    template <int N, int Count>
    static void gradient_tail(const WeightGradient& job, const GradientRows& rows, std::int64_t out,
                              std::int64_t left, std::int64_t segment, std::int64_t k) {
        if constexpr (N > 0) {
            if (left == N) return gradient_tile<N, Count>(job, rows, out, segment, k);
            gradient_tail<N - 1, Count>(job, rows, out, left, segment, k);
        }
    }

    template <int Count>
    static void gradient_strip(const WeightGradient& job, const GradientRows& rows,
                               std::int64_t begin, std::int64_t end, std::int64_t segment,
                               std::int64_t k) {
        std::int64_t out = begin;
        for (; out + Rows <= end; out += Rows)
            gradient_tile<Rows, Count>(job, rows, out, segment, k);
        gradient_tail<Rows - 1, Count>(job, rows, out, end - out, segment, k);
    }

    // The last columns of a run that fill no vector.
    static void gradient_columns(const WeightGradient& job, const GradientRows& rows,
                                 std::int64_t begin, std::int64_t end, std::int64_t segment,
                                 std::int64_t k) {
        if (!rows.adds())
            for (std::int64_t out = begin; out < end; ++out)
                fill(job.gradient + out * job.depth() + segment * job.segment_length + k,
                     job.segment_length - k, 0);
        RowCursor at(job.a_rows);
        at.go_to(rows.begin);
        for (std::int64_t m = rows.begin; m < rows.end; ++m, at.advance()) {
            const float* source = job.a + at.offset + segment * job.segment_stride;
            for (std::int64_t out = begin; out < end; ++out) {
                const float d = job.d[m * job.outs + out];
                float* g = job.gradient + out * job.depth() + segment * job.segment_length;
                for (std::int64_t i = k; i < job.segment_length; ++i) g[i] += d * source[i];
            }
        }
    }

    // Rows of D and A that are rounded and multiplied together.
    static constexpr std::int64_t gradient_rows = 1024;

    // D^T has room for whole panels of outs; beside it lies one panel of A.
    static std::int64_t transposed_size(std::int64_t outs) {
        return packed_size(panel, outs, gradient_rows);
    }
    static std::int64_t scratch(std::int64_t outs) {
        if constexpr (!P::rounds) return 0;
        return (transposed_size(outs) + panel * gradient_rows) * std::int64_t{sizeof(Number)} /
               std::int64_t{sizeof(float)};
    }

    // D^T: outs [begin, end) of `count` rows from `first` on, a row of `to` for each out.
    static void round_transposed(const WeightGradient& job, std::int64_t begin, std::int64_t end,
                                 std::int64_t first, std::int64_t count, Number* to) {
        for (std::int64_t out = begin; out < end; out += Width, to += Width * gradient_rows) {
            for (std::int64_t m = 0; m < count; m += Width * step) {
                Floats blocks[step][Width];
                for (std::int64_t s = 0; s < step; ++s) {
                    for (std::int64_t i = 0; i < Width; ++i) {
                        const std::int64_t row = m + s * Width + i;
                        blocks[s][i] =
                            row < count
                                ? V::load_some(Float32{}, job.d + (first + row) * job.outs + out,
                                               end - out)
                                : Floats{};
                    }
                    V::transpose(blocks[s]);
                }
                for (std::int64_t i = 0; i < Width; ++i) {
                    Floats run[step];
                    for (std::int64_t s = 0; s < step; ++s) run[s] = blocks[s][i];
                    Numbers::store(to + i * gradient_rows + m, Numbers::along(run));
                }
            }
        }
    }

    // A panel of `width` columns of A's rows that begin at `offsets`, `padded` of them with zeros.
    static void pack_rows(const float* a, const std::int64_t* offsets, std::int64_t count,
                          std::int64_t padded, std::int64_t columns, std::int64_t width,
                          Number* to) {
        for (std::int64_t m = 0; m < padded; m += step, to += width * step) {
            for (std::int64_t j = 0; j < width; j += Width) {
                Floats rows[step];
                for (std::int64_t i = 0; i < step; ++i)
                    rows[i] = m + i < count
                                  ? V::load_some(Float32{}, a + offsets[m + i] + j, columns - j)
                                  : Floats{};
                Numbers::store(to + j * step, Numbers::across(rows));
            }
        }
    }

    // `count` rows of sums, of `width` columns each.
    template <int Count>
    static inline void multiply_rows(const Number* a, std::int64_t a_row, std::int64_t count,
                                     std::int64_t depth, const Number* b, float* sums) {
        constexpr std::int64_t width = Count * Width;
        if constexpr (Numbers::in_tiles) {
            Numbers::template multiply<Count>(Numbers::tile_rows(a, a_row), count, {1, 0, depth}, b,
                                              sums, width, /*add=*/false);
        } else {
            for (std::int64_t row = 0; row < count; row += Rows) {
                const Number* from[Rows];
                Floats parts[Rows][Count];
                for (int r = 0; r < Rows; ++r) {
                    from[r] = a + (row + r) * a_row;
                    for (int v = 0; v < Count; ++v) parts[r][v] = Floats{};
                }
                P::template accumulate<Rows, Count>(from, depth, b, parts);
                for (int r = 0; r < Rows; ++r)
                    for (int v = 0; v < Count; ++v)
                        V::store(sums + (row + r) * width + v * Width, parts[r][v]);
            }
        }
    }

    // `columns` columns of the gradient from `column` on, of rows of D and A that are rounded
    // already.
    template <int Count>
    static void gradient_panel(const WeightGradient& job, std::int64_t begin, std::int64_t end,
                               const Number* transposed, std::int64_t depth, const Number* b,
                               std::int64_t column, std::int64_t columns, bool add) {
        constexpr std::int64_t width = Count * Width;
        alignas(64) float sums[panel * width];
        for (std::int64_t out = begin; out < end; out += panel) {
            const std::int64_t outs = smaller(panel, end - out);
            multiply_rows<Count>(transposed + (out - begin) * gradient_rows, gradient_rows, outs,
                                 depth, b, sums);
            for (std::int64_t r = 0; r < outs; ++r) {
                float* g = job.gradient + (out + r) * job.depth() + column;
                for (std::int64_t j = 0; j < columns; j += Width) {
                    const Floats sum = V::load(sums + r * width + j);
                    P::store_part(g + j, columns - j,
                                  add ? P::load_part(g + j, columns - j) + sum : sum);
                }
            }
        }
    }

    static void rounded_gradient(const WeightGradient& job, std::int64_t begin, std::int64_t end,
                                 float* scratch) {
        [[maybe_unused]] const typename Numbers::Tiles tiles;
        Number* transposed = reinterpret_cast<Number*>(scratch);
        Number* packed = transposed + transposed_size(end - begin);
        std::int64_t offsets[gradient_rows];
        RowCursor at(job.a_rows);
        for (std::int64_t first = 0; first < job.rows; first += gradient_rows) {
            const std::int64_t count = smaller(gradient_rows, job.rows - first);
            const std::int64_t padded = P::in_units(count);
            for (std::int64_t m = 0; m < count; ++m, at.advance()) offsets[m] = at.offset;
            round_transposed(job, begin, end, first, count, transposed);
            for (std::int64_t segment = 0; segment < job.segments; ++segment) {
                for (std::int64_t k = 0; k < job.segment_length; k += panel) {
                    const std::int64_t columns = smaller(panel, job.segment_length - k);
                    const bool narrow = columns <= Width;
                    pack_rows(job.a + segment * job.segment_stride + k, offsets, count, padded,
                              columns, narrow ? Width : panel, packed);
                    const std::int64_t column = segment * job.segment_length + k;
                    if (narrow)
                        gradient_panel<1>(job, begin, end, transposed, padded, packed, column,
                                          columns, first > 0);
                    else
                        gradient_panel<2>(job, begin, end, transposed, padded, packed, column,
                                          columns, first > 0);
                }
            }
        }
    }

    static void gradient(const WeightGradient& job, std::int64_t begin, std::int64_t end,
                         [[maybe_unused]] float* scratch) {
        if constexpr (P::rounds) return rounded_gradient(job, begin, end, scratch);
        constexpr std::int64_t together = 256;
        for (std::int64_t first = 0; first < job.rows; first += together) {
            const GradientRows rows{first, smaller(first + together, job.rows)};
            for (std::int64_t segment = 0; segment < job.segments; ++segment) {
                std::int64_t k = 0;
                for (; k + panel <= job.segment_length; k += panel)
                    gradient_strip<2>(job, rows, begin, end, segment, k);
                for (; k + Width <= job.segment_length; k += Width)
                    gradient_strip<1>(job, rows, begin, end, segment, k);
                if (k < job.segment_length) gradient_columns(job, rows, begin, end, segment, k);
            }
        }
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
