#include "pipeline/compute/kernels.h"

#include <cstdlib>
#include <numeric>
#include <string_view>

#if defined(KEEPSAKE_X86_KERNELS) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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
const Kernels* amx_bf16_kernels() {
    return nullptr;
}
#endif

#if defined(KEEPSAKE_X86_KERNELS) && defined(__linux__)
namespace {

// Whether the processor has AMX with bfloat16, the system saves its registers, and lets this
// process use them: since Linux 5.16 it has to be asked, because they take 8 KiB a thread
// (Documentation/arch/x86/xstate.rst).
bool may_use_amx() {
    constexpr unsigned amx_bf16 = 1U << 22, amx_tile = 1U << 24, osxsave = 1U << 27;
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & osxsave)) return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & amx_bf16) || !(d & amx_tile))
        return false;
    constexpr unsigned saved = 3U << 17;  // XTILECFG and XTILEDATA
    unsigned low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & saved) != saved) return false;
    constexpr long ask_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM
    return syscall(SYS_arch_prctl, ask_permission, tile_data) == 0;
}

}  // namespace
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
        if (__builtin_cpu_supports("avx512bf16")) {
            usable.push_back(avx512_bf16_kernels());
#ifdef __linux__
            static const bool amx = may_use_amx();
            if (amx) usable.push_back(amx_bf16_kernels());
#endif
        }
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

std::int64_t in_units(const Kernels& kernels, std::int64_t depth) {
    return (depth + kernels.depth_unit - 1) / kernels.depth_unit * kernels.depth_unit;
}

}  // namespace keepsake::pipeline::kernels
