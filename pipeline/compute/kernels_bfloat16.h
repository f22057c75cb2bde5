// The numbers of products in bfloat16, for files that are compiled with AVX512_BF16. See
// kernels_vector.h for the unnamed namespace.
#pragma once

#include "pipeline/compute/kernels_numbers.h"

namespace keepsake::pipeline::kernels {
namespace {

// Products in bfloat16: a lane of a vector has two numbers of K, which vdpbf16ps multiplies with
// two others and adds to a float32 sum.
struct Bfloat16Products {
    using V = Vectors<16>;
    using Floats = V::Floats;
    using Number = std::uint16_t;
    static constexpr Arithmetic arithmetic = Arithmetic::bfloat16;
    static constexpr std::int64_t step = 2;
    static constexpr bool in_tiles = false;
    struct Tiles {
        explicit Tiles(std::uint8_t = 0) {}
    };
    static constexpr std::int64_t depth_unit = 2;

    static inline Floats load(const Number* p) {
        Floats v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    static inline void store(Number* p, Floats numbers) {
        std::memcpy(p, &numbers, sizeof numbers);
    }
    static inline Floats all(const Number* p) {
        std::int32_t pair;
        std::memcpy(&pair, p, sizeof pair);
        return reinterpret_cast<Floats>(_mm512_set1_epi32(pair));
    }
    static inline Floats add_product(Floats sum, Floats a, Floats b) {
        return reinterpret_cast<Floats>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(sum),
                                                         reinterpret_cast<__m512bh>(a),
                                                         reinterpret_cast<__m512bh>(b)));
    }
    static inline __m512i rounded(Floats v) {  // in the lower half of each lane
        const __m256bh half = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(v));
        return _mm512_maskz_cvtepu16_epi32(0xffff, reinterpret_cast<__m256i>(half));
    }
    static inline Floats along(const Floats (&run)[2]) {
        return reinterpret_cast<Floats>(_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(run[1]),
                                                            reinterpret_cast<__m512>(run[0])));
    }
    static inline Floats across(const Floats (&rows)[2]) {
        const __m512i upper = _mm512_maskz_slli_epi32(0xffff, rounded(rows[1]), 16);
        return reinterpret_cast<Floats>(_mm512_or_si512(rounded(rows[0]), upper));
    }
    static inline void store_some(Number* p, std::int64_t count, Floats v) {
        const __m256bh half = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(v));
        if (count >= 16)
            std::memcpy(p, &half, sizeof half);
        else
            std::memcpy(p, &half, static_cast<std::size_t>(count) * sizeof(Number));
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
