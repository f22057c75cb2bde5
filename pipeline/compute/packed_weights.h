// Weights in the order in which the product kernels read them.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <mutex>

#include "pipeline/compute/arithmetic.h"

namespace keepsake::pipeline::kernels {
struct StoredWeight;  // kernels.h, which few files need
}

namespace keepsake::pipeline {

using at::Tensor;

// The order in memory in which layers and kernels keep a tensor: channels_last where it has four
// dimensions, else contiguous.
at::MemoryFormat layer_format(const Tensor& t);

// Whether the kernels can read a weight of this dtype where it lies.
bool is_stored_weight(const Tensor& weight);
kernels::StoredWeight stored(const Tensor& weight);

// A weight as the product kernels read it, made when it is first needed and again when the weight
// was written since. Copies of a layer share the weight, so they share this.
class PackedWeights {
  public:
    enum class Kind { plain, pairs, transposed, upscaled, winograd, winograd_transposed };
    // weight: (out, in) or (out, in, k, k) channels_last; float32, float16 or bfloat16. Panels are
    // in the numbers of the arithmetic's kernels.
    Tensor get(const Tensor& weight, Kind kind, Arithmetic arithmetic = Arithmetic::float32);

  private:
    struct Panels {
        Tensor tensor;
        at::Storage storage;  // held, so that its address stays this weight's
        const void* address = nullptr;
        std::uint32_t version = 0;
    };
    std::mutex mutex_;
    Panels panels_[2][6];  // by arithmetic and kind
};

}  // namespace keepsake::pipeline
