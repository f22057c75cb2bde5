// How pictures come to a CLIP, beside open_clip's own code
// (tests/goldens/make_open_clip_goldens.py).
#include "editor/edit/score.h"

#include <gtest/gtest.h>

#include "pipeline/files/safetensors.h"

namespace keepsake::testing {
namespace {

editor::Pixels photo_of(const at::Tensor& pixels) {
    const auto* first = pixels.const_data_ptr<std::uint8_t>();
    return {static_cast<int>(pixels.size(1)),
            static_cast<int>(pixels.size(0)),
            {first, first + pixels.numel()}};
}

at::Tensor values_of(const editor::Pixels& photo, const pipeline::ClipPreprocessing& how) {
    return editor::picture_values(editor::picture_square(photo, how), how);
}

TEST(ScorePictures, APictureIsBroughtToTheEncoderAsOpenClipDoes) {
    const auto goldens = pipeline::read_safetensors(KEEPSAKE_GOLDENS "/open_clip.safetensors");
    pipeline::ClipPreprocessing how;
    how.shortest_side = how.crop = 24;
    how.mean = {0.5, 0.4, 0.3};
    how.deviation = {0.2, 0.25, 0.3};
    how.middle_to_even = true;
    const editor::Pixels photo = photo_of(goldens.at("photo"));
    const at::Tensor expected = goldens.at("gelu:pictures").slice(0, 0, 1);
    EXPECT_LE((values_of(photo, how) - expected).abs().max().item<double>(), 1e-6);
    how.middle_to_even = false;  // transformers' rule cuts elsewhere
    EXPECT_GT((values_of(photo, how) - expected).abs().max().item<double>(), 0.1);
}

TEST(ScorePictures, ADirectionIsThatOfTheDifferences) {
    const at::Tensor x = at::tensor({1.0F, 0.0F}).unsqueeze(0),
                     y = at::tensor({0.0F, 1.0F}).unsqueeze(0);
    EXPECT_NEAR(editor::directional_similarity(x, y, x, y), 1, 1e-6);
    EXPECT_NEAR(editor::directional_similarity(x, y, y, x), -1, 1e-6);
    EXPECT_EQ(editor::directional_similarity(x, x, y, x), 0) << "no change has no direction";
}

}  // namespace
}  // namespace keepsake::testing
