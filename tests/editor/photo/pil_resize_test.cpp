// PIL's resize and CLIP's squares, to the bit (tests/goldens/make_scratch_goldens.py).
#include "editor/photo/pil_resize.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::testing {
namespace {

using editor::Pixels;

// (H, W, 3) uint8.
Pixels pixels_of(const at::Tensor& tensor) {
    const at::Tensor whole = tensor.contiguous();
    const auto* first = whole.const_data_ptr<std::uint8_t>();
    return {static_cast<int>(whole.size(1)),
            static_cast<int>(whole.size(0)),
            {first, first + whole.numel()}};
}

class PilResize : public ::testing::Test {
  protected:
    Pixels golden(const std::string& name) const { return pixels_of(goldens.at(name)); }
    const pipeline::TensorMap goldens =
        pipeline::read_safetensors(KEEPSAKE_GOLDENS "/pil.safetensors");
};

TEST_F(PilResize, IsThatOfPilToTheBit) {
    for (int i = 0; i < 10; ++i) {
        SCOPED_TRACE(i);
        const Pixels from = golden(std::to_string(i) + ".from"),
                     to = golden(std::to_string(i) + ".to");
        const Pixels found = editor::pil_resize(from, to.width, to.height);
        EXPECT_EQ(found.width, to.width);
        EXPECT_EQ(found.height, to.height);
        EXPECT_TRUE(found.rgb == to.rgb);
    }
    EXPECT_THROW(editor::pil_resize(golden("0.from"), 0, 5), Error);
}

TEST_F(PilResize, SquaresFollowBothRulesOfTheMiddle) {
    bool differ = false;
    for (int i = 0; i < 6; ++i) {
        SCOPED_TRACE(i);
        const std::string name = "square." + std::to_string(i) + ".";
        const Pixels from = golden(name + "from");
        const Pixels down = editor::clip_square(from, 24, 24, editor::CentreRule::down);
        const Pixels even = editor::clip_square(from, 24, 24, editor::CentreRule::to_even);
        EXPECT_TRUE(down.rgb == golden(name + "down").rgb);
        EXPECT_TRUE(even.rgb == golden(name + "even").rgb);
        differ = differ || down.rgb != even.rgb;
    }
    EXPECT_TRUE(differ) << "a case in which the two rules matter";
    EXPECT_THROW(editor::clip_square(golden("0.from"), 20, 24), Error);
}

}  // namespace
}  // namespace keepsake::testing
