#include "editor/transfer/full_resolution.h"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>

#include "editor/transfer/apply_change.h"
#include "pipeline/error.h"
#include "tests/editor/test_edit.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

using testing::daisy_pixels;
using testing::recoloured;
using testing::red_edit;
using testing::thrown_message;

double psnr(const Pixels& a, const Pixels& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.rgb.size(); ++i) {
        const double d = double(a.rgb[i]) - double(b.rgb[i]);
        sum += d * d;
    }
    return 10 * std::log10(255.0 * 255.0 * double(a.rgb.size()) / sum);
}

bool is_changed(const Pixels& a, const Pixels& b, int x, int y) {
    const std::size_t at = (std::size_t(y) * a.width + x) * 3;
    return !std::equal(&a.rgb[at], &a.rgb[at] + 3, &b.rgb[at]);
}

// Twenty shapes of sensors, prints and screens, from a phone's thumbnail to six megapixels.
const std::pair<int, int> shapes[] = {
    {192, 192},   {160, 120},   {120, 160},   {640, 480},   {480, 640},   {720, 480},  {1080, 1350},
    {1280, 720},  {720, 1280},  {1500, 500},  {333, 1000},  {1000, 667},  {667, 1000}, {1620, 1080},
    {1920, 1080}, {2048, 1536}, {1536, 2048}, {2400, 1600}, {2560, 1080}, {3000, 2000}};

TEST(FullResolution, WithoutAChangeThePhotoStaysBitForBit) {
    static_assert(std::size(shapes) == 20);
    for (const auto& [width, height] : shapes) {
        SCOPED_TRACE(std::to_string(width) + "x" + std::to_string(height));
        const Pixels photo = daisy_pixels(width, height);
        const int side = std::min(width, height);
        const Crop crop{(width - side) / 2, (height - side) / 2, side, side};
        AreaEdit edit = red_edit(photo, crop, 128);
        edit.edit = edit.reconstruction;
        EXPECT_EQ(full_resolution(photo, edit).rgb, photo.rgb);
    }
}

TEST(FullResolution, NothingOutsideTheSquareChanges) {
    const Pixels photo = daisy_pixels(300, 200);
    const Crop crop{120, 40, 140, 140};
    const Pixels result = full_resolution(photo, red_edit(photo, crop, 64));
    int inside = 0;
    for (int y = 0; y < 200; ++y) {
        for (int x = 0; x < 300; ++x) {
            const bool in = x >= 120 && x < 260 && y >= 40 && y < 180;
            if (!in) {
                ASSERT_FALSE(is_changed(photo, result, x, y)) << x << "," << y;
            }
            inside += is_changed(photo, result, x, y);
        }
    }
    EXPECT_GT(inside, 140 * 140 / 4);
}

TEST(FullResolution, TheSquareHasNoSeamInsideThePhotoAndNoFadeAtItsSides) {
    // All of it becomes lighter by a fifth of the range.
    const Pixels photo{200, 120, std::vector<std::uint8_t>(200 * 120 * 3, 100)};
    AreaEdit edit{{80, 0, 120, 120},
                  {64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 100)},
                  {64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 151)}};
    const Pixels result = full_resolution(photo, edit);
    const auto at = [&](int x, int y) { return int(result.rgb[(std::size_t(y) * 200 + x) * 3]); };
    // The left side lies inside the photo: from nothing to everything in small steps.
    EXPECT_EQ(at(79, 60), 100);
    for (int x = 80; x < 120; ++x) EXPECT_LE(std::abs(at(x, 60) - at(x - 1, 60)), 6) << x;
    EXPECT_NEAR(at(120, 60), 151, 2);
    // The others are the photo's own sides.
    EXPECT_NEAR(at(199, 60), 151, 2);
    EXPECT_NEAR(at(140, 0), 151, 2);
    EXPECT_NEAR(at(140, 119), 151, 2);
}

TEST(FullResolution, AColourEditIsNearerToTheTruthThanTheEnlargedSquare) {
    const Pixels photo = load_photo(testing::daisy).pixels;
    const Crop whole{0, 0, photo.width, photo.height};
    const Pixels truth = recoloured(photo);
    const AreaEdit edit = red_edit(photo, whole, 48);
    const double ours = psnr(full_resolution(photo, edit), truth);
    const double enlarged = psnr(resize(edit.edit, photo.width, photo.height), truth);
    EXPECT_GT(ours, enlarged + 5) << ours << " dB, enlarged " << enlarged << " dB";
}

TEST(FullResolution, NewStructureIsDrawnAsInTheEdit) {
    // A black bar across a plain picture, which no colour model makes of it.
    const Pixels photo{400, 400, std::vector<std::uint8_t>(400 * 400 * 3, 180)};
    AreaEdit edit{{0, 0, 400, 400},
                  {128, 128, std::vector<std::uint8_t>(128 * 128 * 3, 180)},
                  {128, 128, std::vector<std::uint8_t>(128 * 128 * 3, 180)}};
    for (int y = 40; y < 88; ++y) {
        std::fill_n(&edit.edit.rgb[std::size_t(y) * 128 * 3], 128 * 3, std::uint8_t{10});
    }
    const Pixels result = full_resolution(photo, edit);
    const auto at = [&](int y) { return int(result.rgb[(std::size_t(y) * 400 + 200) * 3]); };
    EXPECT_LT(at(200), 40);
    EXPECT_GT(at(20), 165);
    EXPECT_GT(at(380), 165);
}

Mask half_mask(int size) {
    Mask mask{size, size, {}};
    for (int i = 0; i < size * size; ++i) mask.values.push_back(i % size < size / 2 ? 255 : 0);
    return mask;
}

TEST(FullResolution, OutsideTheMaskThePhotoStaysBitForBit) {
    const Pixels photo = daisy_pixels(384, 384);
    const AreaEdit edit = red_edit(photo, {0, 0, 384, 384}, 64);
    for (const int size : {16, 64, 384}) {
        SCOPED_TRACE(size);
        const Pixels result = full_resolution(photo, edit, {half_mask(size), 0.5, 0.05});
        int changed = 0;
        // A coarse mask's edge lies somewhere in the step between two of its values.
        const int edge = 192 + (size < 384 ? 384 / size / 2 : 0);
        for (int y = 0; y < 384; ++y) {
            for (int x = 0; x < 384; ++x) {
                const bool now = is_changed(photo, result, x, y);
                changed += now;
                if (x >= edge) {
                    ASSERT_FALSE(now) << x << "," << y;
                }
            }
        }
        EXPECT_GT(changed, 384 * 384 / 8);
    }
}

TEST(FullResolution, ThresholdAndFeatherShapeTheRegion) {
    const auto at = [](const Mask& weights, int x) { return int(weights.values[100 * 200 + x]); };
    const Mask soft = region_weights({half_mask(200), 0.5, 0.1}, 200, 200);
    EXPECT_EQ(at(soft, 10), 255);
    EXPECT_EQ(at(soft, 100), 0);
    EXPECT_GT(at(soft, 90), 50);  // half of the way in
    EXPECT_LT(at(soft, 90), 205);
    const Mask hard = region_weights({half_mask(200), 0.5, 0}, 200, 200);
    EXPECT_EQ(at(hard, 99), 255);
    EXPECT_EQ(at(hard, 100), 0);
    Mask grey{2, 2, {100, 100, 100, 100}};
    EXPECT_EQ(region_weights({grey, 0.3, 0.1}, 8, 8).values, std::vector<std::uint8_t>(64, 255));
    EXPECT_EQ(region_weights({grey, 0.5, 0.1}, 8, 8).values, std::vector<std::uint8_t>(64, 0));
    EXPECT_EQ(region_weights({}, 4, 4).values, std::vector<std::uint8_t>(16, 255));
}

TEST(FullResolution, SixteenBitSamplesKeepTheirSteps) {
    // A ramp finer than 8 bits, made lighter by 20 of 255.
    cv::Mat picture(128, 512, CV_16UC3);
    for (int y = 0; y < 128; ++y) {
        for (int x = 0; x < 512; ++x) {
            const auto v = static_cast<std::uint16_t>(20000 + 10 * x);
            picture.at<cv::Vec<std::uint16_t, 3>>(y, x) = {v, v, v};
        }
    }
    const cv::Mat before = picture.clone();
    const cv::Mat reconstruction(64, 64, CV_32FC3, cv::Scalar::all(0.35));
    const cv::Mat edit = reconstruction + cv::Scalar::all(20.0 / 255);
    apply_edit(picture, {{0, 0, 128, 128}, reconstruction, edit}, {});
    const auto* row = picture.ptr<std::uint16_t>(64);
    EXPECT_NEAR(row[3 * 20], 20000 + 200 + 20 * 257, 40);
    for (int x = 1; x < 100; ++x) EXPECT_GT(row[3 * x], row[3 * x - 3]) << x;
    cv::Mat rest = picture(cv::Rect(128, 0, 384, 128)) != before(cv::Rect(128, 0, 384, 128));
    EXPECT_EQ(cv::countNonZero(rest.reshape(1)), 0);
}

TEST(FullResolution, TransparencyStaysAndWhatIsUnseenIsLeftAlone) {
    cv::Mat picture(96, 96, CV_8UC4, cv::Scalar(60, 90, 120, 255));
    picture(cv::Rect(0, 0, 48, 96)).setTo(cv::Scalar(1, 2, 3, 0));
    const cv::Mat reconstruction(32, 32, CV_32FC3, cv::Scalar(0.3, 0.4, 0.5));
    const cv::Mat edit(32, 32, CV_32FC3, cv::Scalar(0.6, 0.4, 0.5));
    apply_edit(picture, {{0, 0, 96, 96}, reconstruction, edit}, {});
    EXPECT_EQ(picture.at<cv::Vec4b>(50, 10), (cv::Vec4b(1, 2, 3, 0)));
    const cv::Vec4b seen = picture.at<cv::Vec4b>(50, 80);
    EXPECT_NEAR(seen[0], 60 + 76, 4);
    EXPECT_NEAR(seen[1], 90, 4);
    EXPECT_EQ(seen[3], 255);
}

// Wider than high and the other way round: the change lands where it is in the small pictures, and
// a mask's half is that half.
TEST(FullResolution, ARectangleKeepsItsPlacesAndItsMask) {
    for (const bool upright : {false, true}) {
        SCOPED_TRACE(upright);
        const Size small = upright ? Size{40, 64} : Size{64, 40};
        const Size large = upright ? Size{250, 400} : Size{400, 250};
        const auto plain = [](const Size& size) {
            return Pixels{size.width, size.height,
                          std::vector<std::uint8_t>(std::size_t(size.width) * size.height * 3, 90)};
        };
        AreaEdit edit{{20, 10, large.width, large.height}, plain(small), plain(small)};
        // Lighter in the quarter at the lower right.
        for (int y = small.height / 2; y < small.height; ++y) {
            for (int x = small.width / 2; x < small.width; ++x) {
                std::fill_n(&edit.edit.rgb[(std::size_t(y) * small.width + x) * 3], 3,
                            std::uint8_t{200});
            }
        }
        const Pixels photo = plain({large.width + 60, large.height + 60});
        const Pixels result = full_resolution(photo, edit);
        const auto at = [&](const Pixels& picture, double across, double down) {
            const int x = 20 + static_cast<int>(across * large.width);
            const int y = 10 + static_cast<int>(down * large.height);
            return int(picture.rgb[(std::size_t(y) * picture.width + x) * 3]);
        };
        EXPECT_GT(at(result, 0.72, 0.72), 180);
        EXPECT_LT(at(result, 0.72, 0.28), 105);
        EXPECT_LT(at(result, 0.28, 0.72), 105);
        // The mask: the upper three quarters, so the change stays in the middle of the right side.
        Mask mask{8, 16, {}};
        for (int i = 0; i < 8 * 16; ++i) mask.values.push_back(i / 8 < 12 ? 255 : 0);
        const Pixels kept = full_resolution(photo, edit, {mask, 0.5, 0.01});
        EXPECT_GT(at(kept, 0.72, 0.68), 170);
        for (double across = 0.02; across < 1; across += 0.05) {
            EXPECT_EQ(at(kept, across, 0.8), 90);
        }
        EXPECT_EQ(region_weights({mask, 0.5, 0.01}, small.width, small.height).values.size(),
                  std::size_t(small.width) * small.height);
    }
}

TEST(FullResolution, RefusesWhatDoesNotFit) {
    const Pixels photo = daisy_pixels(200, 100);
    const AreaEdit good = red_edit(photo, {0, 0, 100, 100}, 32);
    const auto message = [&](const AreaEdit& edit, const EditRegion& region = {}) {
        return thrown_message<Error>([&] { full_resolution(photo, edit, region); });
    };
    AreaEdit bad = good;
    bad.crop.x = 150;
    EXPECT_NE(message(bad).find("crop 150,0,100,100: reaches outside the picture"),
              std::string::npos);
    bad = good;
    bad.crop.x = 2147483647;
    EXPECT_NE(message(bad).find("reaches outside"), std::string::npos);
    bad.crop = {0, 0, 0, 50};
    EXPECT_NE(message(bad).find("holds no pixel"), std::string::npos);
    bad = good;
    bad.edit = daisy_pixels(33, 33);
    EXPECT_NE(message(bad).find("32x32 and 33x33"), std::string::npos);
    EXPECT_NE(message(good, {Mask{2, 2, {1, 2, 3}}}).find("mask: has 3 values, expected 2x2"),
              std::string::npos);
    EXPECT_NE(message(good, {{}, 1.5}).find("mask threshold"), std::string::npos);
    EXPECT_NE(message(good, {{}, 0.5, -1}).find("mask feather"), std::string::npos);
}

}  // namespace
}  // namespace keepsake::editor
