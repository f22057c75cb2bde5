#include "pipeline/sampling/philox.h"

#include <cmath>

namespace keepsake::pipeline {
namespace {

using Counter = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

void round(Counter& counter, const Key& key) {
    const std::uint64_t first = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(second),
               static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(first)};
}

// The first of the two numbers that cuRAND makes of two draws. Its constants are float32.
float normal(std::uint32_t x, std::uint32_t y) {
    constexpr auto unit = static_cast<float>(2.3283064e-10);
    constexpr auto unit_2pi = static_cast<float>(2.3283064e-10 * 6.2831855);
    const double u = x * static_cast<double>(unit) + static_cast<double>(unit / 2);
    const double v = y * static_cast<double>(unit_2pi) + static_cast<double>(unit_2pi / 2);
    return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::sin(v));
}

}  // namespace

Counter philox(Counter counter, std::uint64_t key) {
    Key words = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
    for (int i = 0; i < 9; ++i) {
        round(counter, words);
        words[0] += 0x9E3779B9;
        words[1] += 0xBB67AE85;
    }
    round(counter, words);
    return counter;
}

at::Tensor philox_randn(at::IntArrayRef shape, std::uint64_t seed, std::uint32_t draw) {
    at::Tensor numbers = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
    float* out = numbers.data_ptr<float>();
    const std::int64_t count = numbers.numel();
    for (std::int64_t i = 0; i < count; ++i) {
        const Counter bits = philox({draw, 0, static_cast<std::uint32_t>(i), 0}, seed);
        out[i] = normal(bits[0], bits[1]);
    }
    return numbers;
}

}  // namespace keepsake::pipeline
