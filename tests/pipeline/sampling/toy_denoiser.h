// What the tests of samplers share with the golden scripts.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>

namespace keepsake::pipeline {

// The golden scripts' toy_denoiser.
inline at::Tensor toy_denoiser(const at::Tensor& x, double t) {
    const double s = std::sin(static_cast<float>(t / 1000));
    const double c = std::cos(static_cast<float>(t / 1000));
    return at::tanh(x * 0.7 + x.flip({-1}) * s + 0.3) * c + x.flip({1}) * (0.2 * s);
}

inline at::Generator seeded(std::uint64_t seed) {
    return at::detail::createCPUGenerator(seed);
}

// The largest difference over the largest reference value.
inline double relative_error(const at::Tensor& found, const at::Tensor& expected) {
    const double difference = (found - expected).abs().max().item<double>();
    return std::isfinite(difference) ? difference / expected.abs().max().item<double>() : HUGE_VAL;
}

}  // namespace keepsake::pipeline
