// The attention of kernels.h for one vector width. See kernels_vector.h for the unnamed namespace.
#pragma once

#include "pipeline/compute/kernels.h"
#include "pipeline/compute/kernels_product.h"

namespace keepsake::pipeline::kernels {
namespace {

template <int Width, int Rows, class Numbers = Float32Products<Width>>
struct Attentions {
    using P = Products<Width, Rows, Numbers>;
    using V = Vectors<Width>;
    using Floats = typename V::Floats;
    using Number = typename Numbers::Number;
    static constexpr std::int64_t step = Numbers::step;
    static constexpr std::int64_t panel = P::panel;
    // A block of scores stays in the first-level cache: 32 x 256, or 24 x 256 with AVX2. By tiles,
    // what each row costs once a block counts more than where the block lies.
    static constexpr std::int64_t block_rows = 4 * Rows,
                                  block_keys = Numbers::in_tiles ? 1024 : 256;

    // K of the two products, with zeros to whole units.
    static std::int64_t padded_keys(const Attention& job) { return P::in_units(job.keys); }
    static std::int64_t padded_size(const Attention& job) { return P::in_units(job.head_size); }

    static void pack(const Attention& job, std::int64_t begin, std::int64_t end) {
        Number* packed_k = reinterpret_cast<Number*>(job.packed_k);
        for (std::int64_t p = begin; p < end; ++p) {
            std::int64_t rows[panel];
            for (std::int64_t j = 0; j < panel; ++j)
                rows[j] = p * panel + j < job.keys ? p * panel + j : -1;
            Number* to = packed_k + p * panel * padded_size(job);
            const std::int64_t width = P::vectors_of(job.keys, p) * Width;
            P::pack_panel(Float32{}, {job.k, job.k_row, job.head_size}, rows, width, to);
            for (std::int64_t i = job.head_size * width; i < padded_size(job) * width; ++i)
                to[i] = 0;
            const std::int64_t last = smaller((p + 1) * panel, padded_keys(job));
            for (std::int64_t key = p * panel; key < last; key += step) pack_values(job, key);
        }
    }

    // `step` rows of V into the panels of their columns.
    static void pack_values(const Attention& job, std::int64_t key) {
        Number* packed_v = reinterpret_cast<Number*>(job.packed_v);
        for (std::int64_t column = 0; column < job.head_size; column += panel) {
            const std::int64_t width = P::vectors_of(job.head_size, column / panel) * Width;
            Number* to = packed_v + column * padded_keys(job) + key * width;
            for (std::int64_t j = 0; j < width; j += Width) {
                Floats rows[step];
                for (std::int64_t i = 0; i < step; ++i)
                    rows[i] =
                        key + i < job.keys
                            ? V::load_some(Float32{}, job.v + (key + i) * job.v_row + column + j,
                                           job.head_size - column - j)
                            : Floats{};
                Numbers::store(to + j * step, Numbers::across(rows));
            }
        }
    }

    // What a block of rows carries from one block of keys to the next.
    struct State {
        float *scores, *sums;  // (block_rows, block_keys), (block_rows, padded head_size)
        Number* weights;       // 2^(s - highest), where the scores were or beside them
        const Number* q;       // the rows' queries, `q_row` apart, the last one `last`
        std::int64_t q_row, last;
        float *highest, *total;  // (block_rows): the largest score so far, and sum of 2^(s - it)
        std::int64_t padded;     // head_size in whole vectors
    };

    // e^s is 2^(s log2 e). Where queries are rounded they are multiplied by it before.
    static float scale_of(const Attention& job) { return job.scale * 1.44269504088896341f; }

    template <int Count>
    static void score_tile(const Attention& job, const State& state, std::int64_t row,
                           const Number* b, float* scores) {
        const Number* a[Rows];
        for (int r = 0; r < Rows; ++r) a[r] = state.q + smaller(row + r, state.last) * state.q_row;
        Floats sums[Rows][Count];
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < Count; ++v) sums[r][v] = Floats{};
        P::template accumulate<Rows, Count>(a, job.head_size, b, sums);
        const float scale = P::rounds ? 1 : scale_of(job);
        for (int r = 0; r < Rows; ++r)
            for (int v = 0; v < Count; ++v)
                V::store(scores + r * block_keys + v * Width, sums[r][v] * scale);
    }

    // All rows of the block with one panel of keys.
    template <int Count>
    static void score_panel(const Attention& job, const State& state, const Number* b,
                            float* scores) {
        if constexpr (Numbers::in_tiles) {
            Numbers::template multiply<Count>(Numbers::tile_rows(state.q, state.q_row), block_rows,
                                              {1, 0, padded_size(job)}, b, scores, block_keys,
                                              /*add=*/false);
        } else {
            for (std::int64_t r = 0; r < block_rows; r += Rows)
                score_tile<Count>(job, state, r, b, scores + r * block_keys);
        }
    }

    // The scores of keys [first, first + count), whole vectors: those beyond the keys are none.
    static std::int64_t score(const Attention& job, std::int64_t first, std::int64_t count,
                              State& state) {
        std::int64_t width = 0;
        for (std::int64_t key = first; key < first + count; key += panel) {
            const Number* b =
                reinterpret_cast<const Number*>(job.packed_k) + key * padded_size(job);
            const int vectors = P::vectors_of(job.keys, key / panel);
            float* scores = state.scores + key - first;
            if (vectors == 2)
                score_panel<2>(job, state, b, scores);
            else
                score_panel<1>(job, state, b, scores);
            width = key - first + vectors * Width;
        }
        if constexpr (Numbers::in_tiles) width = P::in_units(width);
        for (std::int64_t r = 0; r < block_rows; ++r)
            fill(state.scores + r * block_keys + count, width - count, -1e30f);
        return width;
    }

    static inline Floats weight_of(Floats below) {
        return P::rounds ? V::coarse_exp2_of_negative(below) : V::exp2_of_negative(below);
    }

    // Scores to weights 2^(s - highest), and what was summed so far to the new highest.
    static void weigh(std::int64_t width, State& state) {
        for (std::int64_t r = 0; r < block_rows; ++r) {
            float* scores = state.scores + r * block_keys;
            Floats high = V::load(scores);
            for (std::int64_t j = Width; j < width; j += Width) {
                high = V::larger(V::load(scores + j), high);
            }
            const float here = V::largest(high);
            const float highest = here > state.highest[r] ? here : state.highest[r];
            Floats total{};
            for (std::int64_t j = 0; j < width; j += Width) {
                const Floats weight = weight_of(V::load(scores + j) - highest);
                Numbers::store_some(state.weights + r * block_keys + j, Width, weight);
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
    static void value_tile(std::int64_t row, std::int64_t column, const Number* b,
                           std::int64_t count, State& state) {
        const Number* a[Rows];
        Floats sums[Rows][Count];
        for (int r = 0; r < Rows; ++r) {
            a[r] = state.weights + (row + r) * block_keys;
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
            const Number* b = reinterpret_cast<const Number*>(job.packed_v) +
                              column * padded_keys(job) + first * vectors * Width;
            if (vectors == 2)
                value_panel<2>(column, b, count, state);
            else
                value_panel<1>(column, b, count, state);
        }
    }

    // One panel of columns of all rows of the block.
    template <int Count>
    static void value_panel(std::int64_t column, const Number* b, std::int64_t count,
                            State& state) {
        if constexpr (Numbers::in_tiles)
            Numbers::template multiply<Count>(Numbers::tile_rows(state.weights, block_keys),
                                              block_rows, {1, 0, count}, b, state.sums + column,
                                              state.padded, /*add=*/true);
        else
            for (std::int64_t r = 0; r < block_rows; r += Rows)
                value_tile<Count>(r, column, b, count, state);
    }

    // Rounded queries and weights, where the numbers are not the floats themselves.
    static std::int64_t rounded(std::int64_t head_size) {
        return P::rounds ? block_rows * (block_keys + head_size + Width) : 0;
    }

    static std::int64_t scratch(std::int64_t head_size) {
        return block_rows * (block_keys + (head_size + Width - 1) / Width * Width + 2) +
               rounded(head_size);
    }

    // The queries of rows from `row` on, rounded or where they lie.
    static void take_queries(const Attention& job, std::int64_t row, Number* room, State& state) {
        state.last = smaller(block_rows, job.rows - row) - 1;
        if constexpr (P::rounds) {
            state.q = room;
            state.q_row = padded_size(job);
            const float scale = scale_of(job);
            for (std::int64_t r = 0; r <= state.last; ++r, room += state.q_row) {
                const float* from = job.q + (row + r) * job.q_row;
                for (std::int64_t j = 0; j < job.head_size; j += Width)
                    Numbers::store_some(
                        room + j, job.head_size - j,
                        V::load_some(Float32{}, from + j, job.head_size - j) * scale);
                for (std::int64_t j = job.head_size; j < state.q_row; ++j) room[j] = 0;
            }
            if constexpr (Numbers::in_tiles)  // which read all rows of the block
                for (std::int64_t i = 0; i < (block_rows - 1 - state.last) * state.q_row; ++i)
                    room[i] = 0;
        } else {
            state.q = job.q + row * job.q_row;
            state.q_row = job.q_row;
        }
    }

    static void attention(const Attention& job, std::int64_t begin, std::int64_t end,
                          float* scratch) {
        [[maybe_unused]] const typename Numbers::Tiles tiles;
        State state;
        state.padded = (job.head_size + Width - 1) / Width * Width;
        state.scores = scratch;
        state.sums = state.scores + block_rows * block_keys;
        state.highest = state.sums + block_rows * state.padded;
        state.total = state.highest + block_rows;
        Number* room = nullptr;
        if constexpr (P::rounds) {
            state.weights = reinterpret_cast<Number*>(state.total + block_rows);
            room = state.weights + block_rows * block_keys;
        } else {
            state.weights = state.scores;
        }
        for (std::int64_t row = begin; row < end; row += block_rows) {
            take_queries(job, row, room, state);
            fill(state.sums, block_rows * state.padded, 0);
            fill(state.highest, block_rows, -1e30f);
            fill(state.total, block_rows, 0);
            for (std::int64_t first = 0; first < job.keys; first += block_keys) {
                const std::int64_t count = smaller(block_keys, job.keys - first);
                const std::int64_t width = score(job, first, count, state);
                weigh(width, state);
                add_values(job, first, P::in_units(count), state);
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
