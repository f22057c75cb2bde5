#include "pipeline/compute/lora_dropout.h"

#include <gtest/gtest.h>

#include "pipeline/error.h"

namespace keepsake::pipeline {
namespace {

LoraDropout of(double probability, std::uint64_t layer, std::vector<std::uint64_t> samples) {
    return {probability, layer, std::make_shared<LoraPass>(LoraPass{std::move(samples)})};
}

TEST(LoraDropout, LeavesOutItsShare) {
    for (const double probability : {0.1, 0.5, 0.9}) {
        const Tensor stays = what_stays(of(probability, 1, {2, 3}), 20'000, 8);
        ASSERT_EQ(stays.sizes(), (std::vector<std::int64_t>{20'000, 8}));
        // Four deviations of 160,000 draws at the most.
        EXPECT_NEAR(stays.to(at::kDouble).mean().item<double>(), 1 - probability, 5e-3);
    }
}

TEST(LoraDropout, IsTheSameInWhateverParts) {
    const Tensor all = what_stays(of(0.5, 9, {4, 5, 6}), 3 * 40, 8);
    const Tensor parts =
        at::cat({what_stays(of(0.5, 9, {4}), 40, 8), what_stays(of(0.5, 9, {5, 6}), 2 * 40, 8)});
    EXPECT_TRUE(at::equal(all, parts));
}

TEST(LoraDropout, SamplesAndLayersDrawForThemselves) {
    const Tensor one = what_stays(of(0.5, 9, {4}), 40, 8);
    EXPECT_FALSE(at::equal(one, what_stays(of(0.5, 9, {5}), 40, 8)));
    EXPECT_FALSE(at::equal(one, what_stays(of(0.5, 10, {4}), 40, 8)));
}

TEST(LoraDropout, NothingIsLeftOutWhereNothingIsDrawn) {
    EXPECT_FALSE(what_stays({}, 4, 2).defined());
    EXPECT_FALSE(what_stays(of(0.5, 1, {}), 4, 2).defined());
    EXPECT_FALSE(what_stays(of(0, 1, {2}), 4, 2).defined());
}

TEST(LoraDropout, RowsAreAsManyForEachSample) {
    EXPECT_THROW(what_stays(of(0.5, 1, {2, 3}), 5, 2), Error);
}

}  // namespace
}  // namespace keepsake::pipeline
