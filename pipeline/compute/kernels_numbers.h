// The numbers that products are computed in: what a panel holds, and one step of the innermost
// loop. kernels_bfloat16.h has bfloat16's. See kernels_vector.h for the unnamed namespace.
#pragma once

#include "pipeline/compute/arithmetic.h"
#include "pipeline/compute/kernels_vector.h"

namespace keepsake::pipeline::kernels {
namespace {

// The innermost loop of a product in float32. `step` numbers of K at a time, in each lane of a
// vector. Where products are `in_tiles`, kernels_amx_bf16.cpp's registers of whole matrices take
// them, `depth_unit` numbers of K at a time.
template <int Width>
struct Float32Products {
    using V = Vectors<Width>;
    using Floats = typename V::Floats;
    using Number = float;
    static constexpr Arithmetic arithmetic = Arithmetic::float32;
    static constexpr std::int64_t step = 1;
    static constexpr bool in_tiles = false;
    struct Tiles {
        explicit Tiles(std::uint8_t = 0) {}
    };
    static constexpr std::int64_t depth_unit = 1;

    static inline Floats load(const Number* p) { return V::load(p); }
    static inline void store(Number* p, Floats numbers) { V::store(p, numbers); }
    // One number of A for all lanes.
    static inline Floats all(const Number* p) { return V::all(*p); }
    static inline Floats add_product(Floats sum, Floats a, Floats b) { return sum + a * b; }
    // Numbers that follow each other in K, as they lie in memory; and those of `step` rows of K.
    static inline Floats along(const Floats (&run)[1]) { return run[0]; }
    static inline Floats across(const Floats (&rows)[1]) { return rows[0]; }
    // The first `count` of a vector of A.
    static inline void store_some(Number* p, std::int64_t count, Floats v) {
        if (count >= Width) return store(p, v);
        for (std::int64_t i = 0; i < count; ++i) p[i] = v[i];
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
