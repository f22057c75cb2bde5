// What the tests of networks from nothing share: a file of tests/goldens/make_scratch_goldens.py,
// and a training that is stopped on its way.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <stop_token>
#include <string>

#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::optimize {

class ScratchGolden : public ::testing::Test {
  protected:
    // file: its name in tests/goldens.
    explicit ScratchGolden(const std::string& file)
        : goldens(pipeline::read_safetensors(KEEPSAKE_GOLDENS "/" + file)) {}

    const at::Tensor& golden(const std::string& name) const { return goldens.at(name); }
    // By at most `bar` of the golden's largest number, to which `size` is added.
    void expect_near(const at::Tensor& found, const std::string& name, double bar,
                     double size = 0) const {
        const at::Tensor& expected = golden(name);
        ASSERT_EQ(found.sizes(), expected.sizes()) << name;
        EXPECT_LE((found.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>(),
                  bar * (size + expected.abs().max().item<double>()))
            << name;
    }

    const pipeline::TensorMap goldens;
};

// Asks for a stop when the second step is done.
struct StopsAfterTwo {
    std::stop_source stop;
    Monitor monitor{[this](const Progress& progress) {
                        if (progress.done == 2) stop.request_stop();
                    },
                    stop.get_token()};
    StopsAfterTwo() = default;
    StopsAfterTwo(const StopsAfterTwo&) = delete;
};

}  // namespace keepsake::optimize
