// The vectors of the kernels' sources, compiled here for AVX2 alone.
#include <gtest/gtest.h>
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#ifdef __x86_64__
// Only what stands between these lines is for another processor than the rest of the program.
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#include "pipeline/compute/kernels_vector.h"

namespace {

__attribute__((noinline)) void broadcast(float x, float* out) {
    using V = keepsake::pipeline::kernels::Vectors<8>;
    V::store(out, V::all(x));
}

__attribute__((noinline)) void powers(const float* x, float* exact, float* coarse) {
    using V = keepsake::pipeline::kernels::Vectors<8>;
    V::store(exact, V::exp2_of_negative(V::load(x)));
    V::store(coarse, V::coarse_exp2_of_negative(V::load(x)));
}

__attribute__((noinline)) void larger(const float* a, const float* b, float* out) {
    using V = keepsake::pipeline::kernels::Vectors<8>;
    V::store(out, V::larger(V::load(a), V::load(b)));
}

}  // namespace
#pragma GCC pop_options

namespace keepsake::pipeline::kernels {
namespace {

TEST(KernelsVector, ABroadcastIsTheNumberToItsLastBit) {
    if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2 here";
    using Limits = std::numeric_limits<float>;
    for (const float x : {-0.0f, 0.0f, 1.5f, -Limits::denorm_min(), -Limits::max(),
                          Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()}) {
        float lanes[8];
        broadcast(x, lanes);
        for (const float lane : lanes) {
            std::uint32_t found, expected;
            std::memcpy(&found, &lane, sizeof found);
            std::memcpy(&expected, &x, sizeof expected);
            EXPECT_EQ(found, expected) << x;
        }
    }
}

TEST(KernelsVector, PowersOfTwo) {
    if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2 here";
    for (float first = 0; first > -125; first -= 0.37f) {
        float x[8], exact[8], coarse[8];
        for (int i = 0; i < 8; ++i) x[i] = std::max(-125.0f, first - 0.043f * float(i));
        powers(x, exact, coarse);
        for (int i = 0; i < 8; ++i) {
            const double power = std::exp2(double(x[i]));
            EXPECT_LT(std::abs(exact[i] / power - 1), 2e-7) << x[i];
            EXPECT_LT(std::abs(coarse[i] / power - 1), 8e-5) << x[i];
        }
    }
    // Below float32's normal numbers: nothing to speak of, and not what its bits would wrap to.
    const float x[8] = {-127, -200, -1e4f, -1e9f, -1e30f, -126.5f, -1000, 0};
    float exact[8], coarse[8];
    powers(x, exact, coarse);
    for (int i = 0; i < 7; ++i) {
        EXPECT_GE(exact[i], 0);
        EXPECT_LT(exact[i], 3e-38f);
        EXPECT_GE(coarse[i], 0);
        EXPECT_LT(coarse[i], 3e-38f);
    }
}

TEST(KernelsVector, TheLargerOfTwoAndTheSecondsNan) {
    if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "no AVX2 here";
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const float a[8] = {1, -2, 3, -1e30f, -87, -87, 0, 5}, b[8] = {2, -3, 3, 1e30f, nan, 0, 1, -5};
    float out[8];
    larger(a, b, out);
    for (int i = 0; i < 8; ++i) {
        if (i == 4)
            EXPECT_TRUE(std::isnan(out[i]));
        else
            EXPECT_EQ(out[i], std::max(a[i], b[i]));
    }
}

}  // namespace
}  // namespace keepsake::pipeline::kernels
#endif
