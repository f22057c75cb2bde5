// The products of kernels.h for one vector width.
// See kernels_vector.h for the unnamed namespace.
#pragma once

#include "pipeline/compute/kernels_packing.h"

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
    // By `count` rows that lie in one line.
    inline void advance(std::int64_t count) {
        offset += (count - 1) * rows.pixel;
        x += count - 1;
        advance();
    }
    void go_to(std::int64_t row) {
        x = row % rows.width;
        y = row / rows.width % rows.height;
        picture = row / rows.width / rows.height * rows.picture;
        line = picture + y * rows.line;
        offset = line + x * rows.pixel;
    }
};

// Width: floats a vector; Rows: rows of C that a tile keeps in registers, two vectors each.
template <int Width, int Rows, class Numbers = Float32Products<Width>>
struct Products : Packing<Width, Numbers> {
    using B = Packing<Width, Numbers>;
    using B::pack_columns, B::panel, B::step, B::vectors_of;
    using typename B::Floats, typename B::Number, typename B::V;
    static constexpr bool rounds = Numbers::arithmetic != Arithmetic::float32;
    static constexpr std::int64_t tile_rows = Numbers::in_tiles ? 16 : Rows;

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

    // Brings nothing: a panel's rows follow each other, and processors fetch those by themselves.
    struct NoneAhead {
        inline void fetch() {}
    };
    // Brings what will be read next into the second-level cache, a vector at each call.
    struct Ahead {
        const Number* next;
        inline void fetch() {
            __builtin_prefetch(next, /*rw=*/0, /*locality=*/2);
            next += Width * step;
        }
    };

    // sums += a[r][0, depth) times `depth` rows of a panel of Count vectors.
    template <int N, int Count, class Next = NoneAhead>
    static inline void accumulate(const Number* const (&a)[N], std::int64_t depth, const Number* b,
                                  Floats (&sums)[N][Count], Next next = {}) {
        for (std::int64_t k = 0; k < depth; k += step, b += Count * Width * step) {
            next.fetch();
            Floats parts[Count];
            for (int v = 0; v < Count; ++v) parts[v] = Numbers::load(b + v * Width * step);
#pragma GCC unroll 16
            for (int r = 0; r < N; ++r) {
                const Floats x = Numbers::all(a[r] + k);
#pragma GCC unroll 2
                for (int v = 0; v < Count; ++v)
                    sums[r][v] = Numbers::add_product(sums[r][v], x, parts[v]);
            }
        }
    }

    // Rows of A as the loop reads them: where they lie, or rounded before, one after the other, or
    // rounded and at the same distances from each other as before.
    struct Source {
        const Number* rounded = nullptr;
        std::int64_t first = 0;      // the row that lies there first
        std::int64_t even_rows = 0;  // as before, by tiles of so many; 0: one after the other
    };

    // The rows of a tile, if those of each lie at even distances, all in one line, or in lines of
    // whole tiles; else 0. Then a convolution's pixels are rounded once, and not once for each tap
    // that sees them.
    static std::int64_t even_rows(const Product& job, std::int64_t begin) {
        if (!Numbers::in_tiles || job.segment_length % Numbers::depth_unit != 0) return 0;
        if (job.a_rows.width >= job.rows) return tile_rows;
        for (const std::int64_t rows : {tile_rows, tile_rows / 2})
            if (job.a_rows.width % rows == 0 && begin % rows == 0) return rows;
        return 0;
    }
    // The numbers from the first of row `begin` to the last of row `end` - 1.
    static std::int64_t span(const Product& job, std::int64_t begin, std::int64_t end) {
        RowCursor first(job.a_rows), last(job.a_rows);
        first.go_to(begin);
        last.go_to(end - 1);
        return last.offset - first.offset + (job.segments - 1) * job.segment_stride +
               job.segment_length;
    }

    static inline void round_run(const float* from, std::int64_t count, Number* to) {
        for (std::int64_t i = 0; i < count; i += Width)
            Numbers::store_some(to + i, count - i, V::load_some(Float32{}, from + i, count - i));
    }
    // Rows of A, rounded, into `to`, one after the other.
    static void round_rows(const Product& job, std::int64_t begin, std::int64_t end, Number* to) {
        RowCursor at(job.a_rows);
        at.go_to(begin);
        for (std::int64_t row = begin; row < end; ++row, at.advance()) {
            for (std::int64_t s = 0; s < job.segments; ++s, to += job.segment_length)
                round_run(job.a + at.offset + s * job.segment_stride, job.segment_length, to);
        }
    }

    // Likewise, where they lie, with what lies between.
    static void round_span(const Product& job, std::int64_t begin, std::int64_t end, Number* to) {
        RowCursor at(job.a_rows);
        at.go_to(begin);
        round_run(job.a + at.offset, span(job, begin, end), to);
    }

    template <int N, int Count>
    static inline void multiply(const Product& job, const Source& source, std::int64_t row,
                                const Number* b, Floats (&sums)[N][Count]) {
        for (int r = 0; r < N; ++r)
            for (int v = 0; v < Count; ++v) sums[r][v] = Floats{};
        const Number* a[N];
        if constexpr (rounds) {
            for (int r = 0; r < N; ++r)
                a[r] = source.rounded + (row - source.first + r) * job.depth();
            accumulate<N, Count>(a, job.depth(), b, sums);
        } else {
            std::int64_t offsets[N];
            locate<N>(job.a_rows, row, offsets);
            for (std::int64_t s = 0; s < job.segments; ++s) {
                for (int r = 0; r < N; ++r) a[r] = job.a + offsets[r] + s * job.segment_stride;
                accumulate<N, Count>(a, job.segment_length, b, sums);
                b += job.segment_length * Count * Width;
            }
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
    static void tile(const Product& job, const Source& source, std::int64_t row, std::int64_t p,
                     const Number* b) {
        Floats sums[N][Count];
        multiply<N, Count>(job, source, row, b, sums);
        finish<N, Count>(job, row, p, sums);
    }

    template <int N, int Count>
    static inline void finish(const Product& job, std::int64_t row, std::int64_t p,
                              const Floats (&sums)[N][Count]) {
        std::int64_t to[N];
        locate<N>(job.c_rows, row, to);
        finish<N, Count>(job, row, to, p, sums);
    }

    // What is added to the sums of N rows, which go to `to`.
    template <int N, int Count>
    static inline void finish(const Product& job, std::int64_t row, const std::int64_t (&to)[N],
                              std::int64_t p, const Floats (&sums)[N][Count]) {
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
    static void tail(const Product& job, const Source& source, std::int64_t row, std::int64_t left,
                     std::int64_t p, const Number* b) {
        if constexpr (N > 0) {
            if (left == N) return tile<N, Count>(job, source, row, p, b);
            tail<N - 1, Count>(job, source, row, left, p, b);
        }
    }

    // Rows of sums from memory, whose places are `apart` from each other.
    template <int N, int Count>
    static inline void finish_stored(const Product& job, std::int64_t row, std::int64_t place,
                                     std::int64_t apart, std::int64_t p, const float* stored) {
        Floats sums[N][Count];
        std::int64_t to[N];
        for (int r = 0; r < N; ++r) {
            to[r] = place + r * apart;
            for (int v = 0; v < Count; ++v) sums[r][v] = V::load(stored + (r * Count + v) * Width);
        }
        finish<N, Count>(job, row, to, p, sums);
    }

    // What every row of a tile has added to it, in the order of finish().
    template <int Count>
    struct Added {
        Floats bias[Count] = {}, group[Count] = {};
    };

    // Rows of sums from memory whose columns are all there, to `place` and on.
    template <int Count, bool has_residual>
    static inline void finish_whole(const Product& job, std::int64_t rows,
                                    const Added<Count>& added, std::int64_t place,
                                    const float* stored) {
        for (std::int64_t r = 0; r < rows;
             ++r, place += job.c_rows.pixel, stored += Count * Width) {
            for (int v = 0; v < Count; ++v) {
                Floats value = V::load(stored + v * Width) + added.bias[v] + added.group[v];
                if (has_residual) value += V::load(job.residual + place + v * Width);
                V::store(job.c + place + v * Width, value);
            }
        }
    }

    // Up to tile_rows rows of sums from memory.
    template <int Count>
    static void finish_tile(const Product& job, std::int64_t row, std::int64_t rows, std::int64_t p,
                            const float* stored) {
        const RowLayout& c = job.c_rows;
        constexpr std::int64_t width = Count * Width;
        RowCursor at(c);
        at.go_to(row);
        const std::int64_t column = p * panel, group = row / job.rows_per_group;
        const bool one_line = at.x + rows <= c.width;
        const bool one_group = !job.group_bias || group == (row + rows - 1) / job.rows_per_group;
        std::int64_t r = 0;
        if (job.activation == Activation::geglu) {
            for (; one_line && r + Rows <= rows; r += Rows)
                finish_stored<Rows, Count>(job, row + r, at.offset + r * c.pixel, c.pixel, p,
                                           stored + r * width);
        } else if (one_line && one_group && column + width <= job.columns) {
            Added<Count> added;
            for (int v = 0; v < Count; ++v) {
                const std::int64_t first = column + v * Width;
                if (job.bias) added.bias[v] = V::load(job.bias + first);
                if (job.group_bias)
                    added.group[v] = V::load(job.group_bias + group * job.columns + first);
            }
            if (job.residual)
                finish_whole<Count, true>(job, rows, added, at.offset + column, stored);
            else
                finish_whole<Count, false>(job, rows, added, at.offset + column, stored);
            return;
        }
        for (; r < rows; ++r) {
            at.go_to(row + r);
            finish_stored<1, Count>(job, row + r, at.offset, c.pixel, p, stored + r * width);
        }
    }

    template <int Count>
    static void tiled_strip(const Product& job, const Source& source, const Part& part,
                            std::int64_t p, const Number* b) {
        constexpr std::int64_t width = Count * Width;
        alignas(64) float sums[2 * tile_rows * width];
        const std::int64_t depth = job.depth();
        const std::int64_t tile = source.even_rows ? source.even_rows : tile_rows, block = 2 * tile;
        typename Numbers::Segments segments{1, 0, depth};
        if (source.even_rows) segments = {job.segments, job.segment_stride, job.segment_length};
        RowCursor at(job.a_rows);
        at.go_to(part.row_begin);
        const std::int64_t origin = at.offset;
        for (std::int64_t row = part.row_begin; row < part.row_end; row += block) {
            const std::int64_t rows = smaller(block, part.row_end - row);
            typename Numbers::TileRows a;
            if (source.even_rows) {
                a = {source.rounded + at.offset - origin, nullptr, job.a_rows.pixel, tile};
                at.advance(tile);
                a.lower = source.rounded + at.offset - origin;
                at.advance(tile);
            } else {
                a = Numbers::tile_rows(source.rounded + (row - source.first) * depth, depth);
            }
            Numbers::template multiply<Count>(a, rows, segments, b, sums, width, /*add=*/false);
            for (std::int64_t r = 0; r < rows; r += tile)
                finish_tile<Count>(job, row + r, smaller(tile, rows - r), p, sums + r * width);
        }
    }

    template <int Count>
    static void strip(const Product& job, const Source& source, const Part& part, std::int64_t p,
                      const Number* b) {
        if constexpr (Numbers::in_tiles) return tiled_strip<Count>(job, source, part, p, b);
        constexpr int rows = Count == 2 ? Rows : 8;  // enough sums under way for the FMA's latency
        std::int64_t row = part.row_begin;
        for (; row + rows <= part.row_end; row += rows) tile<rows, Count>(job, source, row, p, b);
        tail<rows - 1, Count>(job, source, row, part.row_end - row, p, b);
    }

    static std::int64_t product_scratch(const Product& job, const Part& part) {
        if constexpr (rounds) {
            // The rows of a last tile that is not full are read, too, whatever they hold.
            const std::int64_t rows = part.row_end - part.row_begin;
            const std::int64_t whole = (rows + tile_rows - 1) / tile_rows * tile_rows;
            const std::int64_t numbers =
                even_rows(job, part.row_begin)
                    ? span(job, part.row_begin, part.row_end) + tile_rows * job.a_rows.pixel
                    : whole * job.depth();
            return numbers * std::int64_t{sizeof(Number)} / 4 + Width;
        }
        return job.panels ? 0 : panel * job.depth();
    }

    static void product(const Product& job, const Part& part, float* scratch) {
        Source source;
        if constexpr (rounds) {
            Number* rounded = reinterpret_cast<Number*>(scratch);
            source = {rounded, part.row_begin, even_rows(job, part.row_begin)};
            if (source.even_rows)
                round_span(job, part.row_begin, part.row_end, rounded);
            else
                round_rows(job, part.row_begin, part.row_end, rounded);
        }
        [[maybe_unused]] const typename Numbers::Tiles tiles(
            static_cast<std::uint8_t>(source.even_rows ? source.even_rows : tile_rows));
        for (std::int64_t p = part.panel_begin; p < part.panel_end; ++p) {
            const Number* b = static_cast<const Number*>(job.panels) + p * panel * job.depth();
            if constexpr (!rounds) {
                if (!job.panels) {
                    pack_columns(job.weights, job.columns, job.depth(), p, scratch);
                    b = scratch;
                }
            }
            const bool pairs = job.activation == Activation::geglu;
            if (pairs || vectors_of(job.columns, p) == 2)
                strip<2>(job, source, part, p, b);
            else
                strip<1>(job, source, part, p, b);
        }
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
