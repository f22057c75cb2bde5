#include "pipeline/sampling/philox.h"

#include <gtest/gtest.h>

namespace keepsake::pipeline {
namespace {

// The known answers of Random123, the authors' own library (kat_vectors, philox4x32 10).
TEST(Philox, KnownAnswers) {
    EXPECT_EQ(philox({0, 0, 0, 0}, 0),
              (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff),
              (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822),
              (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

// stable-diffusion-webui, modules/rng_philox.py: what torch.randn draws on a graphics card, whose
// sine and logarithm differ in float32's last digits.
TEST(Philox, NormalNumbersOfSeedZero) {
    const float expected[] = {-0.92466259F, -0.42534415F, -2.6438457F,  0.14518388F,
                              -0.12086647F, -0.57972564F, -0.62285122F, -0.32838709F,
                              -1.07454231F, -0.36314407F, -1.67105067F, 2.26550497F};
    const at::Tensor found = philox_randn({3, 4}, 0);
    ASSERT_EQ(found.sizes(), at::IntArrayRef({3, 4}));
    for (int i = 0; i < 12; ++i) EXPECT_NEAR(found.data_ptr<float>()[i], expected[i], 5e-7) << i;
}

TEST(Philox, DrawsAndSeedsDiffer) {
    const at::Tensor numbers = philox_randn({4, 64, 64}, 12345678901234567890u);
    EXPECT_NEAR(numbers.mean().item<double>(), 0, 0.03);
    EXPECT_NEAR(numbers.std().item<double>(), 1, 0.03);
    EXPECT_TRUE(at::isfinite(numbers).all().item<bool>());
    EXPECT_FALSE(at::equal(numbers, philox_randn({4, 64, 64}, 12345678901234567890u, 1)));
    EXPECT_FALSE(at::equal(numbers, philox_randn({4, 64, 64}, 12345678901234567891u)));
    EXPECT_TRUE(
        at::equal(numbers.flatten().slice(0, 0, 5), philox_randn({5}, 12345678901234567890u)));
}

}  // namespace
}  // namespace keepsake::pipeline
