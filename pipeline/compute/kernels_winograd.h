// 3x3 convolutions by Winograd's minimal filtering F(2x2, 3x3) (Lavin & Gray, arXiv 1509.09308,
// section 4.1), for one vector width: 16 multiplications where the plain convolution has 36. See
// kernels_vector.h for the unnamed namespace.
#pragma once

#include "pipeline/compute/kernels.h"
#include "pipeline/compute/kernels_product.h"

namespace keepsake::pipeline::kernels {
namespace {

template <int Width, int Rows, class Numbers = Float32Products<Width>>
struct Winograds {
    using P = Products<Width, Rows, Numbers>;
    using V = Vectors<Width>;
    using Floats = typename V::Floats;
    using Number = typename Numbers::Number;
    static constexpr std::int64_t step = Numbers::step;
    static constexpr std::int64_t panel = P::panel;
    static constexpr std::int64_t points = 16;  // of a tile of 4x4

    // G g along one direction of the kernel: three taps to four points, `step` apart each.
    static inline void widen_taps(const Floats* taps, int from_step, Floats* out, int to_step) {
        const Floats a = taps[0], b = taps[from_step], c = taps[2 * from_step];
        const Floats outer = 0.5f * (a + c), middle = 0.5f * b;
        out[0] = a;
        out[to_step] = outer + middle;
        out[2 * to_step] = outer - middle;
        out[3 * to_step] = c;
    }

    // U = G g G^T of nine taps, row by row.
    static inline void transform_weight(const Floats (&taps)[9], Floats (&u)[points]) {
        Floats columns[12];
        for (int x = 0; x < 3; ++x) widen_taps(taps + x, 3, columns + x, 3);
        for (int y = 0; y < 4; ++y) widen_taps(columns + 3 * y, 1, u + 4 * y, 1);
    }

    // The points of nine taps of Width numbers each, `count` of them there, of which one row of
    // taps is `stride` numbers from the next.
    template <class Kept>
    static inline void load_points(Kept kept, const typename Kept::Value* taps_at,
                                   std::int64_t stride, std::int64_t count, bool reversed,
                                   Floats (&u)[points]) {
        Floats taps[9];
        for (int tap = 0; tap < 9; ++tap)
            taps[reversed ? 8 - tap : tap] = V::load_some(kept, taps_at + tap * stride, count);
        transform_weight(taps, u);
    }

    // Panels of B: (points, depth, width) each, columns the outs.
    template <class Kept>
    static void pack_plain(Kept kept, const typename Kept::Value* weights, const WinogradShape& s,
                           std::int64_t p, Number* out) {
        const std::int64_t width = P::vectors_of(s.outs, p) * Width;
        for (std::int64_t first = 0; first < width; first += Width) {
            for (std::int64_t k = 0; k < s.ins; k += Width * step) {
                const std::int64_t count = smaller(Width * step, s.ins - k);
                Floats blocks[points][Width];
                for (int j = 0; j < Width; ++j) {
                    const std::int64_t column = p * panel + first + j;
                    Floats runs[step][points] = {};
                    for (std::int64_t i = 0; i < step && column < s.outs; ++i)
                        load_points(kept, weights + column * 9 * s.ins + k + i * Width, s.ins,
                                    count - i * Width, /*reversed=*/false, runs[i]);
                    for (int point = 0; point < points; ++point) {
                        Floats run[step];
                        for (std::int64_t i = 0; i < step; ++i) run[i] = runs[i][point];
                        blocks[point][j] = Numbers::along(run);
                    }
                }
                for (int i = 0; i < points; ++i) {
                    V::transpose(blocks[i]);
                    for (std::int64_t j = 0; j < count; j += step)
                        Numbers::store(out + (i * s.ins + k + j) * width + first * step,
                                       blocks[i][j / step]);
                }
            }
        }
    }

    // Likewise for the gradient of the input: columns the ins, depth the outs, the taps reversed.
    template <class Kept>
    static void pack_transposed(Kept kept, const typename Kept::Value* weights,
                                const WinogradShape& s, std::int64_t p, Number* out) {
        const std::int64_t width = P::vectors_of(s.ins, p) * Width, first = p * panel;
        for (std::int64_t o = 0; o < s.outs; o += step) {
            for (std::int64_t j = 0; j < width; j += Width) {
                Floats runs[step][points];
                for (std::int64_t i = 0; i < step; ++i)
                    load_points(kept, weights + (o + i) * 9 * s.ins + first + j, s.ins,
                                s.ins - first - j, /*reversed=*/true, runs[i]);
                for (int point = 0; point < points; ++point) {
                    Floats rows[step];
                    for (std::int64_t i = 0; i < step; ++i) rows[i] = runs[i][point];
                    Numbers::store(out + (point * s.outs + o) * width + j * step,
                                   Numbers::across(rows));
                }
            }
        }
    }

    static void pack(StoredWeight weights, const WinogradShape& shape, void* panels,
                     std::int64_t begin, std::int64_t end) {
        P::with_numbers(weights, [&](auto kept, const auto* numbers) {
            for (std::int64_t p = begin; p < end; ++p) {
                Number* out = static_cast<Number*>(panels) + p * panel * points * shape.depth();
                if (shape.transposed)
                    pack_transposed(kept, numbers, shape, p, out);
                else
                    pack_plain(kept, numbers, shape, p, out);
            }
        });
    }

    // B^T d along one direction: four pixels to four points.
    static inline void spread(const Floats* d, int step, Floats* out) {
        const Floats a = d[0], b = d[step], c = d[2 * step], e = d[3 * step];
        out[0] = a - c;
        out[step] = b + c;
        out[2 * step] = c - b;
        out[3 * step] = b - e;
    }

    // A^T m along one direction: four points to two pixels.
    static inline void gather(const Floats* m, int step, Floats& first, Floats& second) {
        first = m[0] + m[step] + m[2 * step];
        second = m[step] - m[2 * step] - m[3 * step];
    }

    // Where a tile lies.
    struct Place {
        std::int64_t picture, y, x;  // the first of its pixels in the result
    };
    static Place place_of(const Winograd& job, std::int64_t tile) {
        const std::int64_t across = job.width / 2, down = job.height / 2;
        return {tile / (across * down), tile / across % down * 2, tile % across * 2};
    }

    // Tiles [begin, end) of x -> values (points, rows, channels).
    static void transform_input(const Winograd& job, std::int64_t begin, std::int64_t end,
                                std::int64_t rows, Number* values) {
        const std::int64_t line = (job.width + 2) * job.channels;
        for (std::int64_t tile = begin; tile < end; ++tile) {
            const Place at = place_of(job, tile);
            const float* x =
                job.x + (at.picture * (job.height + 2) + at.y) * line + at.x * job.channels;
            Number* to = values + (tile - begin) * job.channels;
            for (std::int64_t c = 0; c < job.channels; c += Width) {
                const std::int64_t count = job.channels - c;
                Floats d[points];
                for (int y = 0; y < 4; ++y)
                    for (int i = 0; i < 4; ++i)
                        d[4 * y + i] = P::load_part(x + y * line + i * job.channels + c, count);
                for (int i = 0; i < 4; ++i) spread(d + i, 4, d + i);
                for (int y = 0; y < 4; ++y) spread(d + 4 * y, 1, d + 4 * y);
                for (int i = 0; i < points; ++i)
                    Numbers::store_some(to + i * rows * job.channels + c, count, d[i]);
            }
        }
    }

    // A panel is read for a few tiles only, so it comes from afar: the first tiles of a point bring
    // the next point's part nearer, a vector of it in each step.
    template <int Count>
    static void multiply(const Winograd& job, std::int64_t rows, const Number* values,
                         const Number* panels, float* sums) {
        const std::int64_t depth = job.channels;
        for (std::int64_t i = 0; i < points; ++i) {
            const Number* b = panels + i * depth * Count * Width;
            for (std::int64_t row = 0; row < rows; row += Rows) {
                const Number* a[Rows];
                for (int r = 0; r < Rows; ++r) a[r] = values + (i * rows + row + r) * depth;
                Floats c[Rows][Count];
                for (int r = 0; r < Rows; ++r)
                    for (int v = 0; v < Count; ++v) c[r][v] = Floats{};
                const Number* next = b + (Count + row / Rows % Count) * depth * Width;
                P::accumulate(a, depth, b, c, typename P::Ahead{next});
                for (int r = 0; r < Rows; ++r)
                    for (int v = 0; v < Count; ++v)
                        V::store(sums + (i * rows + row + r) * panel + v * Width, c[r][v]);
            }
        }
    }

    // One vector of columns of a tile's four pixels, and what is added to it.
    static void finish(const Winograd& job, const Place& at, const Floats (&m)[points],
                       std::int64_t column) {
        const std::int64_t count = job.columns - column;
        Floats upper[4], lower[4], pixels[4];
        for (int i = 0; i < 4; ++i) gather(m + i, 4, upper[i], lower[i]);
        gather(upper, 1, pixels[0], pixels[1]);
        gather(lower, 1, pixels[2], pixels[3]);
        const Floats bias = job.bias ? P::load_part(job.bias + column, count) : Floats{};
        for (int i = 0; i < 4; ++i) {
            const std::int64_t row =
                (at.picture * job.height + at.y + i / 2) * job.width + at.x + i % 2;
            Floats value = pixels[i] + bias;
            if (job.group_bias)
                value += P::load_part(
                    job.group_bias + row / job.rows_per_group * job.columns + column, count);
            if (job.residual)
                value += P::load_part(job.residual + row * job.columns + column, count);
            P::store_part(job.c + row * job.columns + column, count, value);
        }
    }

    static std::int64_t padded(std::int64_t tiles) { return (tiles + Rows - 1) / Rows * Rows; }
    static std::int64_t scratch(std::int64_t tiles, std::int64_t channels) {
        return points * padded(tiles) *
               (channels * std::int64_t{sizeof(Number)} / std::int64_t{sizeof(float)} + panel);
    }

    static void convolve(const Winograd& job, std::int64_t begin, std::int64_t end,
                         std::int64_t panel_begin, std::int64_t panel_end, float* scratch) {
        // Rows beyond the last tile are multiplied too, whatever they hold, and not looked at.
        const std::int64_t rows = padded(end - begin);
        float* sums = scratch;
        Number* values = reinterpret_cast<Number*>(sums + points * rows * panel);
        transform_input(job, begin, end, rows, values);
        for (std::int64_t p = panel_begin; p < panel_end; ++p) {
            const Number* panels =
                static_cast<const Number*>(job.panels) + p * panel * points * job.channels;
            const int vectors = P::vectors_of(job.columns, p);
            if (vectors == 2)
                multiply<2>(job, rows, values, panels, sums);
            else
                multiply<1>(job, rows, values, panels, sums);
            for (std::int64_t tile = begin; tile < end; ++tile) {
                const Place at = place_of(job, tile);
                for (int v = 0; v < vectors && p * panel + v * Width < job.columns; ++v) {
                    Floats m[points];
                    for (std::int64_t i = 0; i < points; ++i)
                        m[i] = V::load(sums + (i * rows + tile - begin) * panel + v * Width);
                    finish(job, at, m, p * panel + v * Width);
                }
            }
        }
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
