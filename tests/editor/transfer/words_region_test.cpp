// Where the words belong, on the bundled model and a photo that it knows.
#include "editor/transfer/words_region.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "editor/photo/pixel_tensors.h"
#include "editor/transfer/edit_region.h"
#include "pipeline/model/generate.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/test_model.h"

namespace keepsake::editor {
namespace {

const pipeline::Model& model() {
    static const pipeline::Model loaded = pipeline::load_model(testing::flowers);
    return loaded;
}

optimize::Tuning untuned(const char* target, const char* source) {
    optimize::Tuning tuning;
    tuning.target_embedding = pipeline::encode_text(model(), target).to(at::kFloat);
    tuning.optimised_embedding = pipeline::encode_text(model(), source).to(at::kFloat);
    return tuning;
}

WordsRegion found(const optimize::Tuning& tuning, const Pixels& square, Monitor& monitor) {
    WordsRegionOptions options;
    options.map.samples = options.samples = 2;
    const at::Tensor latents = pipeline::encode_image(model(), to_tensor(square));
    return words_region(model(), tuning, {square, latents}, options, monitor);
}

// The share of the region between two distances from the middle, in shares of the side.
double ring_share(const Mask& mask, double from, double to) {
    int inside = 0, count = 0;
    for (int y = 0; y < mask.height; ++y) {
        for (int x = 0; x < mask.width; ++x) {
            const double distance =
                std::hypot(x + 0.5 - mask.width / 2.0, y + 0.5 - mask.height / 2.0) / mask.width;
            if (distance < from || distance >= to) continue;
            inside += mask.values[std::size_t(y) * mask.width + x] == 255;
            ++count;
        }
    }
    return double(inside) / count;
}

TEST(WordsRegion, IsTheFlowerAndEndsAtItsEdge) {
    const Pixels square = testing::daisy_pixels(128, 128);
    Monitor silent;
    const WordsRegion region =
        found(untuned("a photo of a red daisy", "a photo of a white daisy"), square, silent);
    ASSERT_TRUE(region.mask) << region.elsewhere;
    EXPECT_EQ(region.mask->width, 128);
    EXPECT_TRUE(std::ranges::all_of(region.mask->values,
                                    [](std::uint8_t v) { return v == 0 || v == 255; }));
    // The petals reach to about 0.45 of the side; beyond 0.55 there are only the corners.
    EXPECT_GT(ring_share(*region.mask, 0, 0.3), 0.8);
    EXPECT_LT(ring_share(*region.mask, 0.6, 1), 0.2);
}

TEST(WordsRegion, WhereThereIsNothingToFindItLetsGo) {
    Monitor silent;
    const Pixels square = testing::daisy_pixels(128, 128);
    // The same words before and after, and no words at all.
    EXPECT_FALSE(found(untuned("", ""), square, silent).mask);
    // Words about the whole picture.
    for (const char* text : {"a photo of a daisy at night", "a photo of a daisy in the fog",
                             "a black and white photo of a daisy"}) {
        EXPECT_FALSE(found(untuned(text, "a photo of a daisy"), square, silent).mask) << text;
    }
    // A picture of one colour has no edge to end at.
    Pixels grey{128, 128, std::vector<std::uint8_t>(128 * 128 * 3, 128)};
    EXPECT_FALSE(found(untuned("a photo of a red daisy", "a photo of a daisy"), grey, silent).mask);
}

// The rim of mixed colours is edited, too, and nothing farther out.
TEST(WordsRegion, ExportsKeepToItAndItsRim) {
    Mask mask{128, 128, std::vector<std::uint8_t>(128 * 128, 0)};
    mask.values[64 * 128 + 64] = 255;
    const EditRegion kept = kept_region(mask);
    EXPECT_EQ(kept.mask->values[64 * 128 + 62], 255);
    EXPECT_EQ(kept.mask->values[66 * 128 + 64], 255);
    EXPECT_EQ(kept.mask->values[64 * 128 + 67], 0);
    EXPECT_EQ(std::ranges::count(kept.mask->values, 255), 17);
}

TEST(LatentMask, IsTheShareOfEachLatentALittleWidened) {
    Mask mask{16, 16, std::vector<std::uint8_t>(256, 0)};
    for (int y = 0; y < 16; ++y)
        for (int x = 0; x < 10; ++x) mask.values[std::size_t(y) * 16 + x] = 255;
    const at::Tensor small = latent_mask(mask, 2, 2);
    ASSERT_EQ(small.sizes(), (std::vector<std::int64_t>{1, 1, 2, 2}));
    EXPECT_FLOAT_EQ(small[0][0][0][0].item<float>(), 1);
    EXPECT_NEAR(small[0][0][1][1].item<float>(), 0.25 * 1.6, 1e-5);
}

}  // namespace
}  // namespace keepsake::editor
