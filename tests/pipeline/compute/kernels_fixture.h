// Every set of kernels that this processor runs, one after the other.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline::kernels {

using at::Tensor;

inline double worst(const Tensor& found, const Tensor& expected) {
    return ((found.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

inline Tensor random(at::IntArrayRef shape, std::uint64_t seed) {
    at::manual_seed(seed);
    return at::randn(shape);
}

inline std::int64_t panels_of(const Kernels& k, std::int64_t columns) {
    return (columns + k.panel_width - 1) / k.panel_width;
}

struct KernelsTest : testing::TestWithParam<const Kernels*> {
    const Kernels& k = *GetParam();
    const bool rounds = k.arithmetic == Arithmetic::bfloat16;

    // A factor as these kernels' products see it, in double precision.
    Tensor seen(const Tensor& t) const {
        return rounds ? t.to(at::kBFloat16).to(at::kDouble) : t.to(at::kDouble);
    }
    Tensor scratch_of(const Product& job) const {
        return at::empty({k.product_scratch(job, {0, job.rows, 0, 0})});
    }
};

inline std::string name_of(const testing::TestParamInfo<const Kernels*>& given) {
    return given.param->name;
}

}  // namespace keepsake::pipeline::kernels
