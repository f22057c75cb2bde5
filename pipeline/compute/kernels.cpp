#include "pipeline/compute/kernels.h"

#include <cstdlib>
#include <numeric>
#include <string_view>

namespace keepsake::pipeline::kernels {

#ifndef KEEPSAKE_X86_KERNELS
const Kernels* avx2_kernels() {
    return nullptr;
}
const Kernels* avx512_kernels() {
    return nullptr;
}
const Kernels* avx512_bf16_kernels() {
    return nullptr;
}
#endif

std::vector<const Kernels*> usable_kernels() {
    std::vector<const Kernels*> usable;
#ifdef KEEPSAKE_X86_KERNELS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c"))
        usable.push_back(avx2_kernels());
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")) {
        usable.push_back(avx512_kernels());
        if (__builtin_cpu_supports("avx512bf16")) usable.push_back(avx512_bf16_kernels());
    }
#endif
    return usable;
}

namespace {

const Kernels* choose(Arithmetic arithmetic) {
    const char* asked = std::getenv("KEEPSAKE_KERNELS");
    const std::string_view limit = asked ? asked : "";
    const Kernels* chosen = nullptr;
    if (limit == "none") return chosen;
    for (const Kernels* kernels : usable_kernels()) {
        if (kernels->arithmetic == arithmetic) chosen = kernels;
        if (limit == kernels->name) break;
    }
    return chosen;
}

}  // namespace

const Kernels* best_kernels() {
    static const Kernels* const chosen = choose(Arithmetic::float32);
    return chosen;
}

const Kernels* kernels_for(Arithmetic arithmetic) {
    if (arithmetic == Arithmetic::float32) return best_kernels();
    static const Kernels* const chosen = choose(Arithmetic::bfloat16);
    return chosen;
}

std::int64_t norm_block(std::int64_t channels, std::int64_t groups) {
    constexpr std::int64_t line = 16;  // floats: the widest vector, and a cache line
    if (groups <= 0 || channels % groups != 0) return 0;
    const std::int64_t block = std::lcm(channels / groups, line);
    return block <= 1024 && channels % block == 0 ? block : 0;
}

std::int64_t packed_size(std::int64_t panel_width, std::int64_t columns, std::int64_t depth) {
    return (columns + panel_width - 1) / panel_width * panel_width * depth;
}

}  // namespace keepsake::pipeline::kernels
