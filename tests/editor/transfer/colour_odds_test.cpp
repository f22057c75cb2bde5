#include "editor/transfer/colour_odds.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numeric>

#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

Pixels plain(int width, int height, std::array<std::uint8_t, 3> rgb) {
    Pixels pixels{width, height, {}};
    for (int i = 0; i < width * height; ++i)
        pixels.rgb.insert(pixels.rgb.end(), rgb.begin(), rgb.end());
    return pixels;
}

const cv::Mat red = lab_mat(plain(8, 8, {220, 30, 30}));
const cv::Mat white = lab_mat(plain(8, 8, {240, 240, 240}));

TEST(ColourOdds, LabIsCie) {
    const auto lab = lab_mat(plain(1, 1, {255, 0, 0})).at<cv::Vec3f>(0, 0);
    EXPECT_NEAR(lab[0], 53.24, 0.1);
    EXPECT_NEAR(lab[1], 80.09, 0.3);
    EXPECT_NEAR(lab[2], 67.20, 0.3);
}

TEST(ColourOdds, ADensityAddsUpToOneAndIsHighestAtItsColours) {
    const ColourDensity density = colour_density({red, white});
    EXPECT_NEAR(std::accumulate(density.cells.begin(), density.cells.end(), 0.0), 1, 1e-9);
    const auto at_red = red.at<cv::Vec3f>(0, 0), at_white = white.at<cv::Vec3f>(0, 0);
    // A normal distribution's middle in three dimensions, in cells of 3.125, 5 and 5.
    const double middle = 0.5 * 3.125 * 5 * 5 / (std::pow(2 * M_PI, 1.5) * 15.6 * 6.5 * 6.5);
    EXPECT_NEAR(density(at_red), middle, 0.05 * middle);
    // White is at the end of L*, where what would leave comes back.
    EXPECT_GT(density(at_white), 1.3 * middle);
    EXPECT_LT(density(cv::Vec3f(50, 0, -60)), 1e-9);
    EXPECT_EQ(density.cell(cv::Vec3f(0, -130, -130)), 0u);
    EXPECT_EQ(density.cell(cv::Vec3f(200, 200, 200)), density.cells.size() - 1);
}

TEST(ColourOdds, SayWhoseColoursAPictureHas) {
    const ColourDensity reds = colour_density({red}), whites = colour_density({white});
    const double of_red = colour_odds(red, {}, reds, whites);
    EXPECT_GT(of_red, 3);
    EXPECT_NEAR(colour_odds(red, {}, whites, reds), -of_red, 1e-9);
    EXPECT_NEAR(colour_odds(red, {}, reds, reds), 0, 1e-12);
    // Held against what is half of its own, at most the logarithm of 2.
    EXPECT_NEAR(colour_odds(red, {}, reds, mixed(reds, whites, 0.5)), std::log(2), 0.02);
}

TEST(ColourOdds, OnlyWithinTheRegion) {
    cv::Mat both = white.clone(), left = cv::Mat::zeros(8, 8, CV_8UC1);
    red(cv::Rect(0, 0, 4, 8)).copyTo(both(cv::Rect(0, 0, 4, 8)));
    left(cv::Rect(0, 0, 4, 8)).setTo(255);
    const ColourDensity reds = colour_density({both}, left),
                        whites = colour_density({both}, 255 - left);
    EXPECT_EQ(reds.cells, colour_density({red}).cells);
    EXPECT_NEAR(colour_odds(both, left, reds, whites), colour_odds(red, {}, reds, whites), 1e-9);
    EXPECT_NEAR(colour_odds(both, {}, reds, whites),
                (colour_odds(red, {}, reds, whites) + colour_odds(white, {}, reds, whites)) / 2,
                1e-9);
    EXPECT_THROW(colour_density({both}, cv::Mat::zeros(8, 8, CV_8UC1)), Error);
}

}  // namespace
}  // namespace keepsake::editor
