// In which numbers products are computed: matrices, convolutions, attention.
#pragma once

namespace keepsake::pipeline {

// bfloat16: factors are rounded to bfloat16, sums are float32. Norms, activations, residuals and
// everything that is kept stay float32, and so does everything that takes a gradient: what is
// learned does not depend on this.
enum class Arithmetic { float32, bfloat16 };

// Whether bfloat16 pays here: the processor multiplies in it (AVX512_BF16), and a product of a
// typical layer's shape, timed at the first call, takes at most 0.8 of what float32 takes. Some
// processors have the instruction and gain nothing by it.
bool has_fast_bfloat16();

}  // namespace keepsake::pipeline
