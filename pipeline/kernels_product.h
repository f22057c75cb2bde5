// The products of kernels.h for one vector width: packing, the product and its weights' gradient.
// See kernels_vector.h for the unnamed namespace.
#pragma once

#include "pipeline/kernels.h"
#include "pipeline/kernels_vector.h"

namespace keepsake::pipeline::kernels {
namespace {

// Walks the rows of a layout from the first.
struct RowCursor {
    const RowLayout& rows;
    std::int64_t offset = 0, x = 0, y = 0, line = 0, picture = 0;
    explicit RowCursor(const RowLayout& layout) : rows(layout) {}
    inline void advance() {
        offset += rows.pixel;
        if (++x < rows.width) return;
        x = 0;
        line += rows.line;
        if (++y == rows.height) {
            y = 0;
            picture += rows.picture;
            line = picture;
        }
        offset = line;
    }
};

// Width: floats a vector; Rows: rows of C that a tile keeps in registers, two vectors each.
template <int Width, int Rows>
struct Products {
    using V = Vectors<Width>;
    using Floats = typename V::Floats;
    static constexpr std::int64_t panel = 2 * Width;

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

    // One panel: element (k, j) of B is number k of row rows[j]; rows[j] < 0 gives zeros.
    template <class Kept>
    static void pack_panel(Kept kept, const Columns<Kept>& from, const std::int64_t* rows,
                           std::int64_t width, float* out) {
        for (std::int64_t first = 0; first < width; first += Width) {
            for (std::int64_t k = 0; k < from.depth; k += Width) {
                const std::int64_t count = smaller(Width, from.depth - k);
                Floats block[Width];
                for (int i = 0; i < Width; ++i) {
                    const std::int64_t row = rows[first + i];
                    block[i] =
                        row < 0 ? Floats{}
                                : V::load_some(kept, from.weights + row * from.stride + k, count);
                }
                V::transpose(block);
                for (std::int64_t i = 0; i < count; ++i)
                    V::store(out + (k + i) * width + first, block[i]);
            }
        }
    }

    static void pack_columns(StoredWeight weights, std::int64_t columns, std::int64_t depth,
                             std::int64_t p, float* out) {
        std::int64_t rows[panel];
        for (std::int64_t j = 0; j < panel; ++j)
            rows[j] = p * panel + j < columns ? p * panel + j : -1;
        with_numbers(weights, [&](auto kept, const auto* numbers) {
            pack_panel(kept, {numbers, depth, depth}, rows, vectors_of(columns, p) * Width, out);
        });
    }

    static void pack(StoredWeight weights, std::int64_t columns, std::int64_t depth, float* panels,
                     std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p)
            pack_columns(weights, columns, depth, p, panels + p * panel * depth);
    }

    static void pack_pairs(StoredWeight weights, std::int64_t columns, std::int64_t depth,
                           float* panels, std::int64_t begin, std::int64_t end) {
        const std::int64_t half = columns / 2;
        for (std::int64_t p = begin; p < end; ++p) {
            std::int64_t rows[panel];
            for (std::int64_t j = 0; j < Width; ++j) {
                const std::int64_t column = p * Width + j;
                rows[j] = column < half ? column : -1;
                rows[Width + j] = column < half ? half + column : -1;
            }
            with_numbers(weights, [&](auto kept, const auto* numbers) {
                pack_panel(kept, {numbers, depth, depth}, rows, panel, panels + p * panel * depth);
            });
        }
    }

    static void pack_transposed(StoredWeight weights, std::int64_t outs, std::int64_t taps,
                                std::int64_t ins, float* panels, std::int64_t begin,
                                std::int64_t end) {
        with_numbers(weights, [&](auto kept, const auto* numbers) {
            for (std::int64_t p = begin; p < end; ++p) {
                float* out = panels + p * panel * taps * outs;
                const std::int64_t width = vectors_of(ins, p) * Width, first = p * panel;
                for (std::int64_t tap = taps - 1; tap >= 0; --tap) {
                    for (std::int64_t o = 0; o < outs; ++o, out += width) {
                        const auto* source = numbers + (o * taps + tap) * ins + first;
                        for (std::int64_t j = 0; j < width; j += Width)
                            V::store(out + j, V::load_some(kept, source + j, ins - first - j));
                    }
                }
            }
        });
    }

    // Where rows row, row + 1, ... lie.
    template <int N>
    static inline void locate(const RowLayout& rows, std::int64_t row, std::int64_t (&offsets)[N]) {
        std::int64_t x = row % rows.width, y = row / rows.width % rows.height;
        std::int64_t picture = row / rows.width / rows.height;
        for (int r = 0; r < N; ++r) {
            offsets[r] = picture * rows.picture + y * rows.line + x * rows.pixel;
            if (++x < rows.width) continue;
            x = 0;
            if (++y < rows.height) continue;
            y = 0;
            ++picture;
        }
    }

    // sums += a[r][0, depth) times `depth` rows of a panel of Count vectors.
    template <int N, int Count>
    static inline void accumulate(const float* const (&a)[N], std::int64_t depth, const float* b,
                                  Floats (&sums)[N][Count]) {
        for (std::int64_t k = 0; k < depth; ++k, b += Count * Width) {
            Floats parts[Count];
            for (int v = 0; v < Count; ++v) parts[v] = V::load(b + v * Width);
#pragma GCC unroll 16
            for (int r = 0; r < N; ++r) {
                const Floats x = V::all(a[r][k]);
#pragma GCC unroll 2
                for (int v = 0; v < Count; ++v) sums[r][v] += x * parts[v];
            }
        }
    }

    template <int N, int Count>
    static inline void multiply(const Product& job, std::int64_t row, const float* b,
                                Floats (&sums)[N][Count]) {
        std::int64_t offsets[N];
        locate<N>(job.a_rows, row, offsets);
        for (int r = 0; r < N; ++r)
            for (int v = 0; v < Count; ++v) sums[r][v] = Floats{};
        for (std::int64_t s = 0; s < job.segments; ++s) {
            const float* a[N];
            for (int r = 0; r < N; ++r) a[r] = job.a + offsets[r] + s * job.segment_stride;
            accumulate<N, Count>(a, job.segment_length, b, sums);
            b += job.segment_length * Count * Width;
        }
    }

    // What lies at p[0, count), zeros beyond: the last panel may be wider than the matrix.
    static inline Floats load_part(const float* p, std::int64_t count) {
        if (count >= Width) return V::load(p);
        Floats v{};
        for (std::int64_t i = 0; i < count; ++i) v[i] = p[i];
        return v;
    }
    static inline void store_part(float* p, std::int64_t count, Floats v) {
        if (count >= Width) return V::store(p, v);
        for (std::int64_t i = 0; i < count; ++i) p[i] = v[i];
    }

    template <int N, int Count>
    static void tile(const Product& job, std::int64_t row, std::int64_t p, const float* b) {
        Floats sums[N][Count];
        multiply<N, Count>(job, row, b, sums);
        std::int64_t to[N];
        locate<N>(job.c_rows, row, to);
        if constexpr (Count == 2)
            if (job.activation == Activation::geglu) return finish_geglu<N>(job, to, p, sums);
        for (int v = 0; v < Count; ++v) {
            const std::int64_t column = p * panel + v * Width, count = job.columns - column;
            if (count <= 0) break;
            const Floats bias = job.bias ? load_part(job.bias + column, count) : Floats{};
            for (int r = 0; r < N; ++r) {
                Floats value = sums[r][v] + bias;
                if (job.group_bias)
                    value += load_part(
                        job.group_bias + (row + r) / job.rows_per_group * job.columns + column,
                        count);
                if (job.residual) value += load_part(job.residual + to[r] + column, count);
                store_part(job.c + to[r] + column, count, value);
            }
        }
    }

    template <int N>
    static void finish_geglu(const Product& job, const std::int64_t (&to)[N], std::int64_t p,
                             const Floats (&sums)[N][2]) {
        const std::int64_t half = job.columns / 2, column = p * Width, count = half - column;
        Floats value_bias{}, gate_bias{};
        if (job.bias) {
            value_bias = load_part(job.bias + column, count);
            gate_bias = load_part(job.bias + half + column, count);
        }
        for (int r = 0; r < N; ++r)
            store_part(job.c + to[r] + column, count,
                       (sums[r][0] + value_bias) * V::gelu(sums[r][1] + gate_bias));
    }

    template <int N, int Count>
    static void tail(const Product& job, std::int64_t row, std::int64_t left, std::int64_t p,
                     const float* b) {
        if constexpr (N > 0) {
            if (left == N) return tile<N, Count>(job, row, p, b);
            tail<N - 1, Count>(job, row, left, p, b);
        }
    }

    template <int Count>
    static void strip(const Product& job, const Part& part, std::int64_t p, const float* b) {
        constexpr int rows = Count == 2 ? Rows : 8;  // enough sums under way for the FMA's latency
        std::int64_t row = part.row_begin;
        for (; row + rows <= part.row_end; row += rows) tile<rows, Count>(job, row, p, b);
        tail<rows - 1, Count>(job, row, part.row_end - row, p, b);
    }

    static void product(const Product& job, const Part& part, float* scratch) {
        for (std::int64_t p = part.panel_begin; p < part.panel_end; ++p) {
            const float* b = job.panels ? job.panels + p * panel * job.depth() : scratch;
            if (!job.panels) pack_columns(job.weights, job.columns, job.depth(), p, scratch);
            const bool pairs = job.activation == Activation::geglu;
            if (pairs || vectors_of(job.columns, p) == 2)
                strip<2>(job, part, p, b);
            else
                strip<1>(job, part, p, b);
        }
    }

    // Gradient tiles: N outs by `Count` vectors of one run of A.
    template <int N, int Count>
    static void gradient_tile(const WeightGradient& job, std::int64_t out, std::int64_t segment,
                              std::int64_t k) {
        Floats sums[N][Count];
        for (int r = 0; r < N; ++r)
            for (int v = 0; v < Count; ++v) sums[r][v] = Floats{};
        const float* d = job.d + out;
        const float* a = job.a + segment * job.segment_stride + k;
        RowCursor at(job.a_rows);
        for (std::int64_t m = 0; m < job.rows; ++m, d += job.outs, at.advance()) {
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
                V::store(g + v * Width, V::load(g + v * Width) + sums[r][v]);
    }

    template <int N, int Count>
    static void gradient_tail(const WeightGradient& job, std::int64_t out, std::int64_t left,
                              std::int64_t segment, std::int64_t k) {
        if constexpr (N > 0) {
            if (left == N) return gradient_tile<N, Count>(job, out, segment, k);
            gradient_tail<N - 1, Count>(job, out, left, segment, k);
        }
    }

    template <int Count>
    static void gradient_strip(const WeightGradient& job, std::int64_t begin, std::int64_t end,
                               std::int64_t segment, std::int64_t k) {
        std::int64_t out = begin;
        for (; out + Rows <= end; out += Rows) gradient_tile<Rows, Count>(job, out, segment, k);
        gradient_tail<Rows - 1, Count>(job, out, end - out, segment, k);
    }

    // The last columns of a run that fill no vector.
    static void gradient_columns(const WeightGradient& job, std::int64_t begin, std::int64_t end,
                                 std::int64_t segment, std::int64_t k) {
        RowCursor at(job.a_rows);
        for (std::int64_t m = 0; m < job.rows; ++m, at.advance()) {
            const float* source = job.a + at.offset + segment * job.segment_stride;
            for (std::int64_t out = begin; out < end; ++out) {
                const float d = job.d[m * job.outs + out];
                float* g = job.gradient + out * job.depth() + segment * job.segment_length;
                for (std::int64_t i = k; i < job.segment_length; ++i) g[i] += d * source[i];
            }
        }
    }

    static void weight_gradient(const WeightGradient& job, std::int64_t begin, std::int64_t end) {
        for (std::int64_t segment = 0; segment < job.segments; ++segment) {
            std::int64_t k = 0;
            for (; k + panel <= job.segment_length; k += panel)
                gradient_strip<2>(job, begin, end, segment, k);
            for (; k + Width <= job.segment_length; k += Width)
                gradient_strip<1>(job, begin, end, segment, k);
            if (k < job.segment_length) gradient_columns(job, begin, end, segment, k);
        }
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
