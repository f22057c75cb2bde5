// Compiled with AVX2, FMA and F16C (pipeline/CMakeLists.txt): includes nothing whose inline
// functions other files use, lest the linker take the ones made here for a processor that lacks
// these.
#include "pipeline/compute/kernels_table.h"

namespace keepsake::pipeline::kernels {

const Kernels* avx2_kernels() {
    static constexpr Kernels kernels = table<8, 6>("avx2");
    return &kernels;
}

}  // namespace keepsake::pipeline::kernels
