// Real handwritten digits to learn from (assets/digits).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace keepsake::optimize {

using at::Tensor;

inline constexpr std::int64_t digit_side = 8;  // pixels
inline constexpr std::int64_t digit_classes = 10;

struct Digits {
    Tensor pictures;  // (N, 1, 8, 8) float32, -1 paper to 1 ink
    Tensor labels;    // (N) int64, 0 to 9

    std::int64_t size() const { return labels.size(0); }
    Digits part(std::int64_t begin, std::int64_t end) const {
        return {pictures.slice(0, begin, end), labels.slice(0, begin, end)};
    }
};

}  // namespace keepsake::optimize
