// When activations are recomputed: a function of the memory that is free and of what a step takes.
#include "optimize/training/checkpointing.h"

#include <gtest/gtest.h>

namespace keepsake::optimize {
namespace {

using pipeline::Activations;

constexpr std::int64_t mib = std::int64_t{1} << 20;

TEST(Checkpointing, WhoeverChoosesIsObeyed) {
    const StepMemory step{0, 1000 * mib};
    for (const std::int64_t free : {0 * mib, 100'000 * mib}) {
        EXPECT_EQ(choose_activations(Checkpointing::on, free, step), Activations::recomputed);
        EXPECT_EQ(choose_activations(Checkpointing::off, free, step), Activations::kept);
    }
}

TEST(Checkpointing, AutomaticWhereTheStepDoesNotFit) {
    const auto choose = [](std::int64_t free, const StepMemory& step) {
        return choose_activations(Checkpointing::automatic, free, step);
    };
    const StepMemory lora{64 * mib, 1400 * mib}, all{3300 * mib, 1300 * mib};
    EXPECT_EQ(choose(1500 * mib, lora), Activations::recomputed)
        << "no room for what comes and goes";
    EXPECT_EQ(choose(2800 * mib, lora), Activations::kept);
    EXPECT_EQ(choose(2800 * mib, all), Activations::recomputed) << "gradients count";
    EXPECT_EQ(choose(6000 * mib, all), Activations::kept);
    EXPECT_EQ(choose(0, {}), Activations::recomputed);
    EXPECT_EQ(choose(1024 * mib, {42 * mib, 8 * mib}), Activations::kept) << "the bundled model";
}

TEST(Checkpointing, WhatIsFreeAndUnknownIsEnough) {
    EXPECT_EQ(choose_activations(Checkpointing::automatic, std::nullopt, {0, 1 << 30}),
              Activations::kept);
}

TEST(Checkpointing, TheUserReadsHowMuchIsFree) {
    const std::string text = describe_recomputing(1536 * mib, {64 * mib, 1400 * mib});
    EXPECT_EQ(text.find("memory: 1.50 GiB are free and a training step would take 2.61:"), 0u)
        << text;
    EXPECT_NE(text.find("slower"), text.npos) << text;
}

}  // namespace
}  // namespace keepsake::optimize
