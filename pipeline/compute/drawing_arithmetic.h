// Other numbers for a while, for what is looked at and not kept.
#pragma once

#include <optional>

#include "pipeline/compute/arithmetic.h"

namespace keepsake::pipeline {

// While it lives, the layers that this thread runs without a gradient multiply in `arithmetic` and
// not in their own: for what is looked at and not kept. Where there are no kernels for it, in
// float32. Weights are packed for each arithmetic that they are used in, and both stay in memory.
// None: in their own again.
class DrawIn {
  public:
    explicit DrawIn(std::optional<Arithmetic> arithmetic);
    ~DrawIn();
    DrawIn(const DrawIn&) = delete;
    DrawIn& operator=(const DrawIn&) = delete;

  private:
    std::optional<Arithmetic> before_;
};
// What a layer whose own is `own` multiplies in.
Arithmetic drawing_arithmetic(Arithmetic own);

}  // namespace keepsake::pipeline
