// Compiled with AVX-512 and AVX512_BF16 (pipeline/CMakeLists.txt): includes nothing whose inline
// functions other files use, lest the linker take the ones made here for a processor that lacks
// these.
#include "pipeline/compute/kernels_bfloat16.h"
#include "pipeline/compute/kernels_table.h"

namespace keepsake::pipeline::kernels {

const Kernels* avx512_bf16_kernels() {
    static constexpr Kernels kernels = table<16, 8, Bfloat16Products>("avx512_bf16");
    return &kernels;
}

}  // namespace keepsake::pipeline::kernels
