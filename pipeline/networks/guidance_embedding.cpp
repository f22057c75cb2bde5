#include "pipeline/networks/guidance_embedding.h"

#include <algorithm>
#include <cmath>

namespace keepsake::pipeline {

at::Tensor guidance_embedding(const at::Tensor& w, std::int64_t dim) {
    const std::int64_t half = dim / 2;
    // With one frequency the reference divides by zero.
    const double last = static_cast<double>(std::max<std::int64_t>(half - 1, 1));
    const at::Tensor index = at::arange(half, w.options().dtype(at::kFloat));
    const at::Tensor frequencies = at::exp(index * (-std::log(10000.0) / last));
    const at::Tensor angles = (w.to(at::kFloat) * 1000).unsqueeze(1) * frequencies;
    const at::Tensor waves = at::cat({at::sin(angles), at::cos(angles)}, 1);
    return dim % 2 == 0 ? waves : at::constant_pad_nd(waves, {0, 1});
}

}  // namespace keepsake::pipeline
