// Gradients with respect to pixels, found in two ways, and climbing by them.
#include "optimize/scratch/pixel_gradients.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "optimize/scratch/digit_networks.h"

namespace keepsake::optimize {
namespace {

Tensor randn(at::IntArrayRef shape, std::uint64_t seed, at::ScalarType dtype = at::kDouble) {
    return at::randn(shape, at::detail::createCPUGenerator(seed),
                     at::TensorOptions().dtype(at::kDouble))
        .to(dtype);
}

double error_of(const Tensor& gradient, const Tensor& exact) {
    return ((gradient - exact).abs().max() / exact.abs().max()).item<double>();
}

TEST(PixelGradients, DifferencesAgreeWithAutogradAtEveryPixel) {
    for (const std::uint64_t seed : {1, 2, 3}) {
        const DigitNetwork network = DigitNetwork(1, seed).to(at::kDouble);
        const Tensor picture = randn({1, 1, 8, 8}, seed);
        const Tensor exact = gradient_by_autograd(network, picture);
        EXPECT_GT(exact.abs().min().item<double>(), 0) << "every pixel counts";
        EXPECT_LE(error_of(gradient_by_differences(network, picture, 1e-5), exact), 1e-6);
        // Central differences: ten times the h is a hundred times the error.
        const double wide = error_of(gradient_by_differences(network, picture, 1e-1), exact);
        const double narrow = error_of(gradient_by_differences(network, picture, 1e-2), exact);
        EXPECT_NEAR(wide / narrow, 100, 5);
    }
}

TEST(PixelGradients, OfASquareAreKnown) {
    const PictureScore score = [](const Tensor& x) {
        return x.square().sum({1, 2, 3}).view({-1, 1});
    };
    const Tensor pictures = randn({3, 1, 2, 4}, 5);
    EXPECT_TRUE(at::allclose(gradient_by_autograd(score, pictures), 2 * pictures));
    EXPECT_TRUE(at::allclose(gradient_by_differences(score, pictures.slice(0, 0, 1), 1e-4),
                             2 * pictures.slice(0, 0, 1)));
}

TEST(PixelGradients, ClimbingGoesUpByStepsOfOneLength) {
    // Highest at a picture of 0.5 everywhere.
    const PictureScore score = [](const Tensor& x) {
        return -(x - 0.5).square().sum({1, 2, 3}).view({-1, 1});
    };
    const Tensor start = at::zeros({2, 1, 4, 4}, at::kDouble);
    const auto way = climb(score, start, {9, 0.05});
    ASSERT_EQ(way.size(), 10u);
    for (std::size_t i = 1; i < way.size(); ++i)
        EXPECT_NEAR((way[i] - way[i - 1]).square().mean().sqrt().item<double>(), 0.05, 1e-9);
    EXPECT_NEAR(way.back().min().item<double>(), 0.45, 1e-9);
    // Downhill, and no further than pixels go.
    const auto down = climb(score, start, {100, -0.05});
    EXPECT_NEAR(down.back().max().item<double>(), -1, 1e-12);
}

}  // namespace
}  // namespace keepsake::optimize
