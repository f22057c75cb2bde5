// The vectors of the kernels' sources, compiled here for AVX2 alone.
#include <gtest/gtest.h>
#include <immintrin.h>

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

}  // namespace
}  // namespace keepsake::pipeline::kernels
#endif
