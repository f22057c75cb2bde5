// Reference values of a network (tests/goldens/make_network_goldens.py), and how to compare with
// them.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/networks/weights.h"

namespace keepsake::pipeline {

constexpr double tolerance = 1e-4;  // of a tensor's largest value

struct NetworkGolden {
    TensorMap values;   // all but the weights
    TensorMap weights;  // by name
    nlohmann::json config;

    explicit NetworkGolden(const std::string& name) {
        const std::string path = std::string(KEEPSAKE_GOLDENS) + "/networks/" + name;
        config =
            nlohmann::json::parse(SafetensorsFile(path + ".safetensors").metadata().at("config"));
        for (const auto& [key, tensor] : read_safetensors(path + ".safetensors"))
            if (key.starts_with("weights."))
                weights[key.substr(8)] = tensor.to(at::kFloat);
            else
                values[key] = tensor;
    }
    const Tensor& operator[](const std::string& key) const { return values.at(key); }
};

inline double largest(const Tensor& x) {
    return x.abs().max().item<double>();
}

// max|a - b| / max|b|.
inline double relative_error(const Tensor& a, const Tensor& b) {
    if (a.sizes() != b.sizes()) return INFINITY;
    const double difference = largest(a.detach().to(at::kDouble) - b.to(at::kDouble));
    return difference / std::max(largest(b), 1e-30);
}

inline void require_gradients(const TensorMap& parameters) {
    for (const auto& [name, parameter] : parameters) Tensor(parameter).requires_grad_();
}

// Compares the gradient of every parameter with the golden's: its samples and its norm, relative to
// the tensor's largest value, which counts as a thousandth of the largest of all gradients at
// least. A gradient below a millionth of that is nothing but rounding (a key's bias does not change
// a softmax): then ours has to be as small, its digits mean nothing.
inline void expect_gradients(const TensorMap& parameters, const NetworkGolden& golden) {
    double largest_of_all = 0;
    for (const auto& [key, value] : golden.values)
        if (key.starts_with("grad.")) largest_of_all = std::max(largest_of_all, largest(value));
    ASSERT_GT(largest_of_all, 0);
    const double floor = 1e-3 * largest_of_all;
    std::size_t compared = 0;
    for (const auto& [name, parameter] : parameters) {
        ASSERT_TRUE(golden.values.contains("grad." + name)) << name;
        ASSERT_TRUE(parameter.grad().defined()) << name;
        ASSERT_EQ(parameter.grad().sizes(), parameter.sizes()) << name;
        const Tensor whole = parameter.grad().contiguous().flatten().to(at::kDouble);
        const Tensor& expected = golden["grad." + name];
        Tensor found = whole;
        if (whole.numel() > expected.numel())
            found = whole.index_select(0, at::arange(expected.numel()) * 7919 % whole.numel());
        ASSERT_EQ(found.numel(), expected.numel()) << name;
        ++compared;
        if (largest(expected) < 1e-6 * largest_of_all) {
            EXPECT_LE(largest(whole), 2e-6 * largest_of_all) << name;
            continue;
        }
        const double scale = std::max(largest(expected), floor);
        EXPECT_LE(largest(found - expected) / scale, tolerance) << name;
        const double norm = golden["norm." + name].item<double>();
        EXPECT_NEAR(whole.norm().item<double>(), norm, tolerance * std::max(norm, floor)) << name;
    }
    const auto goldens = std::ranges::count_if(
        golden.values, [](const auto& entry) { return entry.first.starts_with("grad."); });
    EXPECT_EQ(compared, static_cast<std::size_t>(goldens));
}

inline Weights read_weights(const std::string& path) {
    return Weights::from_tensors(read_safetensors(path), path);
}

inline nlohmann::json read_json(const std::string& path) {
    return nlohmann::json::parse(std::ifstream(path));
}

// The message of the Error that `action` throws; empty when it throws none.
template <typename Action>
std::string error_of(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

#define EXPECT_CONTAINS(text, part) \
    EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

}  // namespace keepsake::pipeline
