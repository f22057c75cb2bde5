// Vectors of Width floats in GCC's and Clang's vector extension: one source for every width. All of
// it is in an unnamed namespace, because each file that includes it is compiled for another
// processor, and the linker must not take one's code for the other's.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace keepsake::pipeline::kernels {
namespace {

// Not the standard library's: a template that is compiled here for a newer processor could be the
// copy that the linker keeps for everybody.
inline std::int64_t smaller(std::int64_t a, std::int64_t b) {
    return a < b ? a : b;
}
inline void fill(float* out, std::int64_t count, float value) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = value;
}
inline void copy(float* out, const float* from, std::int64_t count) {
    std::memcpy(out, from, static_cast<std::size_t>(count) * sizeof(float));
}

// GCC 12 drops the attribute where its size depends on a template's parameter.
template <int Width>
struct Lanes;
template <>
struct Lanes<8> {
    typedef float Floats __attribute__((vector_size(32)));
    typedef std::int32_t Ints __attribute__((vector_size(32)));
    typedef std::uint16_t Halves __attribute__((vector_size(16)));
    static inline Floats widened(const std::uint16_t* p) {  // float16
        return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    }
    static inline Floats larger(Floats a, Floats b) {
        return reinterpret_cast<Floats>(
            _mm256_max_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b)));
    }
};
template <>
struct Lanes<16> {
    typedef float Floats __attribute__((vector_size(64)));
    typedef std::int32_t Ints __attribute__((vector_size(64)));
    typedef std::uint16_t Halves __attribute__((vector_size(32)));
    // A template, so that a file compiled for less never makes it. Masked, because GCC 12 takes the
    // plain one for reading what was never written (its bug 105593).
    template <class Half>
    static inline Floats widened(const Half* p) {
        return _mm512_maskz_cvtph_ps(0xffff,
                                     _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    }
    template <class Vector>
    static inline Vector larger(Vector a, Vector b) {
        return reinterpret_cast<Vector>(
            _mm512_maskz_max_ps(0xffff, reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b)));
    }
};

// The numbers of a weight as it is kept in memory.
struct Float32 {
    using Value = float;
};
struct Float16 {
    using Value = std::uint16_t;
};
struct Bfloat16 {
    using Value = std::uint16_t;
};

template <int Width>
struct Vectors {
    using Floats = typename Lanes<Width>::Floats;
    using Ints = typename Lanes<Width>::Ints;

    static inline Floats load(const float* p) {
        Floats v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    static inline Floats load(Float32, const float* p) { return load(p); }
    static inline Floats load(Float16, const std::uint16_t* p) { return Lanes<Width>::widened(p); }
    static inline Floats load(Bfloat16, const std::uint16_t* p) {
        typename Lanes<Width>::Halves upper;
        std::memcpy(&upper, p, sizeof upper);
        return reinterpret_cast<Floats>(__builtin_convertvector(upper, Ints) << 16);
    }
    // The first `count` of Width numbers, zeros beyond.
    template <class Kept>
    static inline Floats load_some(Kept kept, const typename Kept::Value* p, std::int64_t count) {
        if (count >= Width) return load(kept, p);
        typename Kept::Value some[Width] = {};
        for (std::int64_t i = 0; i < count; ++i) some[i] = p[i];
        return load(kept, some);
    }
    static inline void store(float* p, Floats v) { std::memcpy(p, &v, sizeof v); }
    // x - 0 is x for every x, -0 and NaN too, so this is a broadcast and no sum; x + 0 would be
    // one, because -0 + 0 is 0, and in a product's innermost loop it would take the multiply-adds'
    // ports.
    static inline Floats all(float x) { return x - Floats{}; }
    // a > b ? a : b, so that a NaN of b stays one; GCC 12 makes two instructions of that.
    static inline Floats larger(Floats a, Floats b) { return Lanes<Width>::larger(a, b); }
    static inline Floats select(Ints mask, Floats yes, Floats no) {
        return reinterpret_cast<Floats>((mask & reinterpret_cast<Ints>(yes)) |
                                        (~mask & reinterpret_cast<Ints>(no)));
    }
    // Halves are added, then halves of the sum: three or four steps, where one lane after the other
    // would be as many as there are lanes, each waiting for the one before.
    static inline float sum(Floats v) {
#pragma GCC unroll 4
        for (int half = Width / 2; half >= 1; half /= 2) v += moved_down(v, half);
        return v[0];
    }
    static inline float largest(Floats v) {
#pragma GCC unroll 4
        for (int half = Width / 2; half >= 1; half /= 2) {
            v = larger(moved_down(v, half), v);
        }
        return v[0];
    }
    static inline Floats moved_down(Floats v, int by) {
        Ints from;
        for (int lane = 0; lane < Width; ++lane) from[lane] = (lane + by) % Width;
        return __builtin_shuffle(v, from);
    }

    // A square of Width vectors, rows for columns: blocks of half the side change places, then
    // blocks of half of that.
    static inline void transpose(Floats (&rows)[Width]) {
#pragma GCC unroll 4
        for (int side = Width / 2; side >= 1; side /= 2) {
            Ints low, high;
            for (int lane = 0; lane < Width; ++lane) {
                low[lane] = lane & side ? Width + lane - side : lane;
                high[lane] = lane & side ? Width + lane : lane + side;
            }
#pragma GCC unroll 16
            for (int i = 0; i < Width; ++i) {
                if (i & side) continue;
                const Floats a = rows[i], b = rows[i + side];
                rows[i] = shuffle(a, b, low);
                rows[i + side] = shuffle(a, b, high);
            }
        }
    }
    static inline Floats shuffle(Floats a, Floats b, Ints from) {
        return __builtin_shuffle(a, b, from);
    }

    // Adding it rounds to an integer: 1.5 * 2^23.
    static constexpr float magic = 12582912.0f;
    // p 2^n, n being what was rounded by adding magic.
    static inline Floats times_power_of_two(Floats p, Floats shifted) {
        const Ints exponent = reinterpret_cast<Ints>(shifted) << 23;
        return reinterpret_cast<Floats>(reinterpret_cast<Ints>(p) + exponent);
    }

    // e^x, relative error below 2e-7: e^x = 2^n e^r with |r| <= ln(2)/2, e^r by Cephes' expf
    // polynomial (Moshier). Clamped where float32 overflows or becomes subnormal.
    static inline Floats exp(Floats x) {
        x = x > 88.0f ? all(88.0f) : x;
        x = larger(all(-87.0f), x);
        const Floats shifted = x * 1.44269504088896341f + magic;
        const Floats n = shifted - magic;
        const Floats r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
        Floats p = all(1.9875691500e-4f);
        p = p * r + 1.3981999507e-3f;
        p = p * r + 8.3334519073e-3f;
        p = p * r + 4.1665795894e-2f;
        p = p * r + 1.6666665459e-1f;
        p = p * r + 5.0000001201e-1f;
        p = p * r * r + r + 1.0f;
        return times_power_of_two(p, shifted);
    }
    // x, or `least` where it is less, as n + r with |r| <= 1/2. Returns n as times_power_of_two
    // takes it.
    static inline Floats whole_part(Floats x, float least, Floats& r) {
        x = larger(all(least), x);
        const Floats shifted = x + magic;
        r = x - (shifted - magic);
        return shifted;
    }
    // 2^x for x <= 0, relative error below 2e-7: as above, with Cephes' exp2f polynomial.
    static inline Floats exp2_of_negative(Floats x) {
        Floats r;
        const Floats shifted = whole_part(x, -126.0f, r);
        Floats p = all(1.535336188319500e-4f);
        p = p * r + 1.339887440266574e-3f;
        p = p * r + 9.618437357674640e-3f;
        p = p * r + 5.550332471162809e-2f;
        p = p * r + 2.402264791363012e-1f;
        p = p * r + 6.931472028550421e-1f;
        p = p * r + 1.0f;
        return times_power_of_two(p, shifted);
    }
    // Likewise, relative error below 8e-5, for what is rounded to bfloat16 (2e-3): the polynomial
    // of degree three whose largest relative error is the least. It begins below 1, hence -125.
    static inline Floats coarse_exp2_of_negative(Floats x) {
        Floats r;
        const Floats shifted = whole_part(x, -125.0f, r);
        Floats p = all(5.517166493e-2f);
        p = p * r + 2.426111219e-1f;
        p = p * r + 6.932609862e-1f;
        p = p * r + 9.999280736e-1f;
        return times_power_of_two(p, shifted);
    }
    static inline Floats sigmoid(Floats x) {
        return 1.0f / (1.0f + exp(-x));
    }

    // The standard normal distribution function, absolute error below 2e-7 (Abramowitz & Stegun,
    // 7.1.26), and its density, which comes out on the way.
    static inline Floats normal_cdf(Floats x, Floats& density) {
        const Floats magnitude = select(x < 0.0f, -x, x);
        const Floats t = 1.0f / (1.0f + (0.3275911f * 0.70710678118654752f) * magnitude);
        Floats p = all(1.061405429f);
        p = p * t - 1.453152027f;
        p = p * t + 1.421413741f;
        p = p * t - 0.284496736f;
        p = p * t + 0.254829592f;
        const Floats gauss = exp(-0.5f * x * x);
        density = gauss * 0.39894228040143268f;
        const Floats upper = 0.5f * p * t * gauss;  // 1 - cdf(|x|)
        return select(x < 0.0f, upper, 1.0f - upper);
    }
    static inline Floats gelu(Floats x) {
        Floats density;
        return x * normal_cdf(x, density);
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
