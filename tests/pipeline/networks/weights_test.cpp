#include "pipeline/networks/weights.h"

#include <limits>

#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

TEST(Weights, ConvertsToTheWorkingPrecision) {
    Weights weights = Weights::from_tensors({{"a", at::full({2, 3}, 1.5, at::kHalf)}});
    const Tensor a = weights.take("a", {2, 3});
    EXPECT_EQ(a.scalar_type(), at::kFloat);
    EXPECT_EQ(a[1][2].item<float>(), 1.5F);
    weights.set_target(at::kBFloat16, at::kCPU);
    EXPECT_EQ(weights.take("a", {2, 3}).scalar_type(), at::kBFloat16);
    weights.finish();
}

TEST(Weights, SharesStorageWhereNothingIsConverted) {
    const Tensor a = at::ones({2, 3}).requires_grad_();
    Weights weights = Weights::from_tensors({{"a", a}});
    const Tensor taken = weights.take("a", {2, 3});
    EXPECT_EQ(taken.data_ptr(), a.data_ptr());
    EXPECT_FALSE(taken.requires_grad());
    EXPECT_EQ(weights.taken().at("a").data_ptr(), a.data_ptr());
}

TEST(Weights, ConvolutionsComeInChannelsLast) {
    const Tensor a = at::arange(2 * 3 * 3 * 3, at::kFloat).reshape({2, 3, 3, 3});
    Weights weights = Weights::from_tensors({{"a", a}});
    const Tensor taken = weights.take("a", {2, 3, 3, 3});
    EXPECT_TRUE(taken.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(at::equal(taken, a));
}

TEST(Weights, OneErrorNamesAllThatDoesNotFit) {
    Tensor nan = at::zeros({4, 5});
    nan[3][1] = std::numeric_limits<float>::quiet_NaN();
    Tensor infinite = at::zeros({7});
    infinite[2] = -std::numeric_limits<float>::infinity();
    Weights weights = Weights::from_tensors({{"fine", at::ones({2})},
                                             {"turned", at::ones({4, 3})},
                                             {"nan", nan},
                                             {"infinite", infinite},
                                             {"surplus.one", at::ones({1})},
                                             {"surplus.two", at::ones({1})},
                                             {"position_ids", at::ones({1})}},
                                            "unet/model.safetensors");
    weights.take("fine", {2});
    const Tensor placeholder = weights.take("lost.one", {6, 5});
    EXPECT_EQ(placeholder.sizes(), at::IntArrayRef({6, 5}));
    EXPECT_TRUE(placeholder.is_meta());
    weights.take("lost.two", {8});
    weights.take("turned", {3, 4});
    weights.take("nan", {4, 5});
    weights.take("infinite", {7});
    const std::string message = error_of(
        [&] { weights.finish([](const std::string& name) { return name == "position_ids"; }); });
    EXPECT_EQ(message,
              "unet/model.safetensors: tensors do not fit: 2 missing: lost.one (6, 5), lost.two (8)"
              "; 1 of another shape: turned is (4, 3), should be (3, 4)"
              "; 2 not part of this model: surplus.one, surplus.two"
              "; 2 with values that are not finite: nan, infinite");
}

TEST(Weights, NamesWhatOverflowsTheWorkingPrecision) {
    Weights weights = Weights::from_tensors({{"large", at::full({2}, 1e6)}});
    weights.set_target(at::kHalf, at::kCPU);
    weights.take("large", {2});
    EXPECT_CONTAINS(error_of([&] { weights.finish(); }), "not finite: large");
}

TEST(Weights, TakesAPointwiseConvolutionForAMatrix) {
    const Tensor a = at::randn({3, 2, 1, 1});
    Weights weights = Weights::from_tensors({{"a", a}, {"b", at::randn({3, 2, 3, 3})}});
    EXPECT_TRUE(at::equal(weights.take("a", {3, 2}), a.reshape({3, 2})));
    weights.take("b", {3, 2});
    EXPECT_CONTAINS(error_of([&] { weights.finish(); }), "b is (3, 2, 3, 3), should be (3, 2)");
}

TEST(Weights, RenamedTensorsAreNamedAsInTheFile) {
    const auto shorten = [](const std::string& name) { return name.substr(name.find('.') + 1); };
    Weights weights = Weights::from_tensors(
        {{"old.a", at::ones({1})}, {"old.b", at::ones({1})}, {"old.c", at::ones({1})}});
    weights.rename(shorten);
    EXPECT_TRUE(weights.contains("a"));
    EXPECT_FALSE(weights.contains("old.a"));
    EXPECT_EQ(weights.names(), (std::vector<std::string>{"a", "b", "c"}));
    weights.take("a", {1});
    weights.take("b", {2});
    const std::string message = error_of([&] { weights.finish(); });
    EXPECT_CONTAINS(message, "old.b is (1), should be (2)");
    EXPECT_CONTAINS(message, "not part of this model: old.c");

    Weights twice = Weights::from_tensors({{"x.a", at::ones({1})}, {"y.a", at::ones({1})}});
    EXPECT_CONTAINS(error_of([&] { twice.rename(shorten); }), "holds a twice, once as y.a");
}

TEST(Weights, KnowsShapesWithoutReading) {
    bool read = false;
    Weights weights({{"a",
                      {{2, 3},
                       at::kFloat,
                       [&](at::ScalarType as) {
                           read = true;
                           return at::ones({2, 3}, as);
                       }}}},
                    "file");
    EXPECT_EQ(weights.shape("a"), (std::vector<std::int64_t>{2, 3}));
    EXPECT_TRUE(weights.shape("b").empty());
    weights.take("a", {3, 2});
    EXPECT_FALSE(read);
    weights.take("a", {2, 3});
    EXPECT_TRUE(read);
}

}  // namespace
}  // namespace keepsake::pipeline
