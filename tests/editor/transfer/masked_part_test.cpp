// Which part of a photo only-masked work takes, beside AUTOMATIC1111's modules/masking.py.
#include "editor/transfer/masked_part.h"

#include <gtest/gtest.h>

#include "pipeline/error.h"

namespace keepsake::testing {
namespace {

using editor::Crop;
using editor::Mask;

Mask white_in(int width, int height, const Crop& part) {
    Mask mask{width, height, std::vector<std::uint8_t>(std::size_t(width) * height, 0)};
    for (int y = part.y; y < part.y + part.height; ++y)
        for (int x = part.x; x < part.x + part.width; ++x)
            mask.values[std::size_t(y) * width + x] = 255;
    return mask;
}

// Made with its get_crop_region and expand_crop_region.
TEST(MaskedPart, IsTheReferences) {
    struct Case {
        int width, height;
        Crop white;
        int padding;
        double shape;
        Crop expected;
    };
    const Case cases[] = {
        {640, 480, {300, 200, 128, 32}, 0, 1, {300, 152, 128, 128}},
        {640, 480, {300, 200, 128, 32}, 32, 1, {268, 120, 192, 192}},
        {640, 480, {0, 0, 40, 90}, 32, 1, {0, 0, 122, 122}},
        {640, 480, {600, 10, 40, 460}, 32, 1, {160, 0, 480, 480}},
        {640, 480, {10, 440, 610, 40}, 16, 1, {0, 0, 636, 480}},
        {640, 480, {5, 5, 630, 470}, 32, 1, {0, 0, 640, 480}},
        {200, 600, {20, 100, 160, 400}, 32, 1, {0, 68, 200, 464}},
        {300, 200, {101, 51, 49, 71}, 7, 1.5, {62, 44, 127, 85}},
        {300, 200, {101, 51, 21, 99}, 7, 1.5, {27, 44, 169, 113}},
        {97, 131, {50, 60, 3, 39}, 4, 0.75, {34, 56, 35, 47}},
    };
    for (const Case& c : cases) {
        const Mask mask = white_in(c.width, c.height, c.white);
        const auto part = editor::masked_part(mask, {0, 0, c.width, c.height}, c.padding, c.shape);
        SCOPED_TRACE(std::to_string(&c - cases));
        EXPECT_TRUE(part.crop == c.expected) << part.crop.x << "," << part.crop.y << " "
                                             << part.crop.width << "x" << part.crop.height;
        // The mask over it is the same mask.
        EXPECT_EQ(part.mask.values, white_in(part.crop.width, part.crop.height,
                                             {c.white.x - part.crop.x, c.white.y - part.crop.y,
                                              c.white.width, c.white.height})
                                        .values);
    }
}

// Half as fine as the photo, and of a part of it.
TEST(MaskedPart, OfAnotherResolutionWithinACrop) {
    const Mask mask = white_in(100, 50, {40, 20, 20, 10});
    const auto part = editor::masked_part(mask, {30, 10, 200, 100}, 0);
    EXPECT_TRUE((part.crop == Crop{110, 40, 40, 40})) << part.crop.x << "," << part.crop.y;
    EXPECT_EQ(part.mask.values, white_in(40, 40, {0, 10, 40, 20}).values);
}

TEST(MaskedPart, IsLargeEnoughToBeWorkedOn) {
    const auto part = editor::masked_part(white_in(64, 64, {63, 0, 1, 1}), {0, 0, 64, 64}, 0);
    EXPECT_TRUE((part.crop == Crop{48, 0, 16, 16})) << part.crop.x << "," << part.crop.y;
}

TEST(MaskedPart, NothingWhiteIsAnError) {
    Mask grey{4, 4, std::vector<std::uint8_t>(16, 127)};
    try {
        editor::masked_part(grey, {0, 0, 4, 4}, 0);
        FAIL();
    } catch (const Error& error) {
        EXPECT_STREQ(error.what(), "mask: nothing in it is white");
    }
}

}  // namespace
}  // namespace keepsake::testing
