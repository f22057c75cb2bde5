// The attention of kernels.h for one vector width. See kernels_vector.h for the unnamed namespace.
#pragma once

#include "pipeline/kernels.h"
#include "pipeline/kernels_product.h"

namespace keepsake::pipeline::kernels {
namespace {

template <int Width, int Rows>
struct Attentions {
    using P = Products<Width, Rows>;
    using V = Vectors<Width>;
    using Floats = typename V::Floats;
    static constexpr std::int64_t panel = P::panel;
    // A block of scores stays in the first-level cache: 32 x 256, or 24 x 256 with AVX2.
    static constexpr std::int64_t block_rows = 4 * Rows, block_keys = 256;

    static void pack(const Attention& job, std::int64_t begin, std::int64_t end) {
        for (std::int64_t p = begin; p < end; ++p) {
            std::int64_t rows[panel];
            for (std::int64_t j = 0; j < panel; ++j)
                rows[j] = p * panel + j < job.keys ? p * panel + j : -1;
            P::pack_panel(Float32{}, {job.k, job.k_row, job.head_size}, rows,
                          P::vectors_of(job.keys, p) * Width,
                          job.packed_k + p * panel * job.head_size);
            const std::int64_t last = smaller((p + 1) * panel, job.keys);
            for (std::int64_t key = p * panel; key < last; ++key) pack_value(job, key);
        }
    }

    // One row of V into the panels of its columns.
    static void pack_value(const Attention& job, std::int64_t key) {
        const float* from = job.v + key * job.v_row;
        for (std::int64_t column = 0; column < job.head_size; column += panel) {
            const std::int64_t width = P::vectors_of(job.head_size, column / panel) * Width;
            float* to = job.packed_v + column * job.keys + key * width;
            const std::int64_t count = smaller(width, job.head_size - column);
            copy(to, from + column, count);
            fill(to + count, width - count, 0);
        }
    }

    // What a block of rows carries from one block of keys to the next.
    struct State {
        float *scores, *sums;    // (block_rows, block_keys), (block_rows, padded head_size)
        float *highest, *total;  // (block_rows): the largest score so far, and sum of 2^(s - it)
        std::int64_t padded;     // head_size in whole vectors
    };

    template <int Count>
    static void score_tile(const Attention& job, std::int64_t row, const float* b, float* scores) {
        const float* a[Rows];
        for (int r = 0; r < Rows; ++r) a[r] = job.q + smaller(row + r, job.rows - 1) * job.q_row;
        Floats sums[Rows][Count];
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < Count; ++v) sums[r][v] = Floats{};
        P::template accumulate<Rows, Count>(a, job.head_size, b, sums);
        const float scale = job.scale * 1.44269504088896341f;  // e^s is 2^(s log2 e)
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < Count; ++v)
                V::store(scores + r * block_keys + v * Width, sums[r][v] * scale);
    }

    // The scores of keys [first, first + count), whole vectors: those beyond the keys are none.
    static std::int64_t score(const Attention& job, std::int64_t row, std::int64_t first,
                              std::int64_t count, State& state) {
        std::int64_t width = 0;
        for (std::int64_t key = first; key < first + count; key += panel) {
            const float* b = job.packed_k + key * job.head_size;
            const int vectors = P::vectors_of(job.keys, key / panel);
            for (std::int64_t r = 0; r < block_rows; r += Rows) {
                float* scores = state.scores + r * block_keys + key - first;
                if (vectors == 2)
                    score_tile<2>(job, row + r, b, scores);
                else
                    score_tile<1>(job, row + r, b, scores);
            }
            width = key - first + vectors * Width;
        }
        for (std::int64_t r = 0; r < block_rows; ++r)
            fill(state.scores + r * block_keys + count, width - count, -1e30f);
        return width;
    }

    // Scores to weights 2^(s - highest), and what was summed so far to the new highest.
    static void weigh(std::int64_t width, State& state) {
        for (std::int64_t r = 0; r < block_rows; ++r) {
            float* scores = state.scores + r * block_keys;
            Floats high = V::load(scores);
            for (std::int64_t j = Width; j < width; j += Width) {
                const Floats s = V::load(scores + j);
                high = V::select(s > high, s, high);
            }
            float highest = state.highest[r];
            for (int i = 0; i < Width; ++i) highest = high[i] > highest ? high[i] : highest;
            Floats total{};
            for (std::int64_t j = 0; j < width; j += Width) {
                const Floats weight = V::exp2_of_negative(V::load(scores + j) - highest);
                V::store(scores + j, weight);
                total += weight;
            }
            if (highest > state.highest[r]) {
                const Floats factor = V::exp2_of_negative(V::all(state.highest[r] - highest));
                state.total[r] *= factor[0];
                float* sums = state.sums + r * state.padded;
                for (std::int64_t j = 0; j < state.padded; j += Width)
                    V::store(sums + j, V::load(sums + j) * factor);
                state.highest[r] = highest;
            }
            state.total[r] += V::sum(total);
        }
    }

    template <int Count>
    static void value_tile(std::int64_t row, std::int64_t column, const float* b,
                           std::int64_t count, State& state) {
        const float* a[Rows];
        Floats sums[Rows][Count];
        for (int r = 0; r < Rows; ++r) {
            a[r] = state.scores + (row + r) * block_keys;
            for (int v = 0; v < Count; ++v)
                sums[r][v] = V::load(state.sums + (row + r) * state.padded + column + v * Width);
        }
        P::template accumulate<Rows, Count>(a, count, b, sums);
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < Count; ++v)
                V::store(state.sums + (row + r) * state.padded + column + v * Width, sums[r][v]);
    }

    static void add_values(const Attention& job, std::int64_t first, std::int64_t count,
                           State& state) {
        for (std::int64_t column = 0; column < job.head_size; column += panel) {
            const int vectors = P::vectors_of(job.head_size, column / panel);
            const float* b = job.packed_v + column * job.keys + first * vectors * Width;
            for (std::int64_t r = 0; r < block_rows; r += Rows) {
                if (vectors == 2)
                    value_tile<2>(r, column, b, count, state);
                else
                    value_tile<1>(r, column, b, count, state);
            }
        }
    }

    static std::int64_t scratch(std::int64_t head_size) {
        return block_rows * (block_keys + (head_size + Width - 1) / Width * Width + 2);
    }

    static void attention(const Attention& job, std::int64_t begin, std::int64_t end,
                          float* scratch) {
        State state;
        state.padded = (job.head_size + Width - 1) / Width * Width;
        state.scores = scratch;
        state.sums = state.scores + block_rows * block_keys;
        state.highest = state.sums + block_rows * state.padded;
        state.total = state.highest + block_rows;
        for (std::int64_t row = begin; row < end; row += block_rows) {
            fill(state.sums, block_rows * state.padded, 0);
            fill(state.highest, block_rows, -1e30f);
            fill(state.total, block_rows, 0);
            for (std::int64_t first = 0; first < job.keys; first += block_keys) {
                const std::int64_t count = smaller(block_keys, job.keys - first);
                const std::int64_t width = score(job, row, first, count, state);
                weigh(width, state);
                add_values(job, first, count, state);
            }
            const std::int64_t rows = smaller(block_rows, end - row);
            for (std::int64_t r = 0; r < rows; ++r) {
                const float scale = 1 / state.total[r];
                float* c = job.c + (row + r) * job.c_row;
                for (std::int64_t j = 0; j < job.head_size; j += Width)
                    P::store_part(c + j, job.head_size - j,
                                  V::load(state.sums + r * state.padded + j) * scale);
            }
        }
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
