// In which numbers products are computed: matrices, convolutions, attention.
#pragma once

namespace keepsake::pipeline {

// bfloat16: factors are rounded to bfloat16, sums are float32. Norms, activations, residuals and
// everything that is kept stay float32, and so does everything that takes a gradient, unless
// LearnIn asks for it.
enum class Arithmetic { float32, bfloat16 };

// While it lives, the layers that this thread runs with a gradient multiply in `arithmetic`,
// forward and backward: weights, their gradients and the optimiser stay float32 (mixed precision,
// Micikevicius et al., arXiv 1710.03740; bfloat16 needs none of its loss scaling: Kalamkar et al.,
// arXiv 1905.12322). Where there are no kernels for it, float32.
class LearnIn {
  public:
    explicit LearnIn(Arithmetic arithmetic);
    ~LearnIn();
    LearnIn(const LearnIn&) = delete;
    LearnIn& operator=(const LearnIn&) = delete;

  private:
    Arithmetic before_;
};
Arithmetic learning_arithmetic();

// Whether bfloat16 pays here: the processor multiplies in it (AVX512_BF16, AMX), and a product and
// a convolution of a typical layer's shape, timed at the first call, take at most 0.85 of what
// float32 takes. Some processors have the instruction and gain nothing by it.
bool has_fast_bfloat16();

}  // namespace keepsake::pipeline
