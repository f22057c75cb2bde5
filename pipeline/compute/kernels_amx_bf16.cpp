// Compiled with AVX-512, AVX512_BF16 and AMX (pipeline/CMakeLists.txt): includes nothing whose
// inline functions other files use, lest the linker take the ones made here for a processor that
// lacks these.
#include "pipeline/compute/kernels_bfloat16.h"
#include "pipeline/compute/kernels_table.h"

namespace keepsake::pipeline::kernels {
namespace {

// Products in bfloat16 by AMX (Intel 64 and IA-32 Architectures Software Developer's Manual, volume
// 1, chapter 18): a register holds 16 rows of 64 bytes. One of A has 32 numbers of K of 16 rows,
// one of B sixteen pairs of K of 16 columns, as panels have them, one of C 16 x 16 float32 sums; an
// instruction does 8,192 multiplications.
struct AmxProducts : Bfloat16Products {
    static constexpr bool in_tiles = true;
    static constexpr std::int64_t depth_unit = 32;
    static constexpr std::int64_t side = 16;

    // While it lives, the thread's eight registers have that shape; those of A and C `rows` rows.
    class Tiles {
      public:
        explicit Tiles(std::uint8_t rows = side) {
            struct alignas(64) {
                std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
                std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
                std::uint8_t rows[16] = {side, side, side, side, side, side, side, side};
            } shape;
            for (int i = 0; i < 6; ++i) shape.rows[i] = rows;
            _tile_loadconfig(&shape);
        }
        ~Tiles() { _tile_release(); }
        Tiles(const Tiles&) = delete;
        Tiles& operator=(const Tiles&) = delete;
    };

    // Where the rows of A begin: `count` (Tiles) from `upper` on and as many from `lower` on, `row`
    // numbers apart. Each has Segments::count runs of `length` numbers of K, `stride` apart.
    struct TileRows {
        const Number *upper = nullptr, *lower = nullptr;
        std::int64_t row = 0, count = side;
    };
    struct Segments {
        std::int64_t count = 1, stride = 0, length = 0;
    };
    static TileRows tile_rows(const Number* a, std::int64_t row) {
        return {a, a + side * row, row, side};
    }

    // `rows` rows of A, of at most two tiles, times as many rows of a panel of Count vectors as K
    // is long, written to `sums` or added to what is there. Whole tiles are taken: there is room
    // for the last rows beyond `rows` in A and in sums, which then hold anything.
    template <int Count>
    static inline void multiply(const TileRows& a, std::int64_t rows, const Segments& segments,
                                const Number* b, float* sums, std::int64_t sums_row, bool add) {
        Segments whole = segments;
        whole.length = segments.length / depth_unit * depth_unit;
        if (rows > a.count)
            multiply_tiles<2, Count>(a, whole, b, sums, sums_row, add);
        else
            multiply_tiles<1, Count>(a, whole, b, sums, sums_row, add);
        // What is left of a single run.
        for (std::int64_t k = whole.length; k < segments.length; k += step) {
            for (int v = 0; v < Count; ++v) {
                const Floats part = load(b + (k * Count + v * step) * side);
                for (std::int64_t r = 0; r < rows; ++r) {
                    float* to = sums + r * sums_row + v * side;
                    V::store(to, add_product(V::load(to), all(a.upper + r * a.row + k), part));
                }
            }
        }
    }

  private:
    template <int RowTiles, int Count>
    static inline void multiply_tiles(const TileRows& a, const Segments& segments, const Number* b,
                                      float* sums, std::int64_t sums_row, bool add) {
        constexpr bool low = RowTiles == 2, right = Count == 2;
        const std::int64_t a_bytes = 2 * a.row, b_bytes = 64 * Count, sums_bytes = 4 * sums_row;
        float* sums_low = sums + a.count * sums_row;
        // GCC 12's loads of tiles do not say that they read memory.
        asm volatile("" ::: "memory");
        if (add) {
            _tile_loadd(0, sums, sums_bytes);
            if constexpr (right) _tile_loadd(1, sums + side, sums_bytes);
            if constexpr (low) _tile_loadd(2, sums_low, sums_bytes);
            if constexpr (low && right) _tile_loadd(3, sums_low + side, sums_bytes);
        } else {
            _tile_zero(0);
            if constexpr (right) _tile_zero(1);
            if constexpr (low) _tile_zero(2);
            if constexpr (low && right) _tile_zero(3);
        }
        for (std::int64_t s = 0; s < segments.count; ++s) {
            const Number *upper = a.upper + s * segments.stride,
                         *lower = a.lower + s * segments.stride;
            for (std::int64_t k = 0; k < segments.length;
                 k += depth_unit, b += Count * side * depth_unit) {
                _tile_loadd(6, b, b_bytes);
                _tile_loadd(4, upper + k, a_bytes);
                _tile_dpbf16ps(0, 4, 6);
                if constexpr (right) {
                    _tile_loadd(7, b + side * step, b_bytes);
                    _tile_dpbf16ps(1, 4, 7);
                }
                if constexpr (low) {
                    _tile_loadd(5, lower + k, a_bytes);
                    _tile_dpbf16ps(2, 5, 6);
                }
                if constexpr (low && right) _tile_dpbf16ps(3, 5, 7);
            }
        }
        _tile_stored(0, sums, sums_bytes);
        if constexpr (right) _tile_stored(1, sums + side, sums_bytes);
        if constexpr (low) _tile_stored(2, sums_low, sums_bytes);
        if constexpr (low && right) _tile_stored(3, sums_low + side, sums_bytes);
    }
};

}  // namespace

const Kernels* amx_bf16_kernels() {
    static constexpr Kernels kernels = table<16, 8, AmxProducts>("amx_bf16");
    return &kernels;
}

}  // namespace keepsake::pipeline::kernels
