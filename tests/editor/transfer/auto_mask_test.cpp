// DiffEdit's mask on the bundled model and a photo it knows.
#include "editor/transfer/auto_mask.h"

#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/model/generate.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/test_model.h"

namespace keepsake::editor {
namespace {

// The mean of the mask between two distances from the middle, in shares of the side.
double ring_mean(const Mask& mask, double from, double to) {
    double sum = 0;
    int count = 0;
    for (int y = 0; y < mask.height; ++y) {
        for (int x = 0; x < mask.width; ++x) {
            const double distance =
                std::hypot(x + 0.5 - mask.width / 2.0, y + 0.5 - mask.height / 2.0) / mask.width;
            if (distance < from || distance >= to) continue;
            sum += mask.values[std::size_t(y) * mask.width + x];
            ++count;
        }
    }
    return sum / count;
}

TEST(AutoMask, FindsTheFlowerAndNotItsGround) {
    const pipeline::Model model = pipeline::load_model(testing::flowers);
    const Pixels square = testing::daisy_pixels(128, 128);
    optimize::Tuning tuning;
    tuning.target_embedding = pipeline::encode_text(model, "a photo of a red daisy").to(at::kFloat);
    tuning.optimised_embedding =
        pipeline::encode_text(model, "a photo of a white daisy").to(at::kFloat);
    Monitor monitor;
    const Mask mask = auto_mask(model, tuning, square, {}, monitor);
    EXPECT_EQ(mask.width, 128);
    EXPECT_EQ(mask.values.size(), 128u * 128);
    EXPECT_EQ(*std::max_element(mask.values.begin(), mask.values.end()), 255);
    // The petals reach to about 0.45 of the side; beyond 0.55 there are only the corners.
    const double flower = ring_mean(mask, 0, 0.35), ground = ring_mean(mask, 0.55, 1);
    EXPECT_GT(flower, 2 * ground) << flower << " " << ground;

    // A text that says nothing is found nowhere.
    tuning.target_embedding = pipeline::encode_text(model, "").to(at::kFloat);
    const Mask none = auto_mask(model, tuning, square, {.samples = 1}, monitor);
    EXPECT_EQ(none.values, std::vector<std::uint8_t>(128 * 128, 0));
}

}  // namespace
}  // namespace keepsake::editor
