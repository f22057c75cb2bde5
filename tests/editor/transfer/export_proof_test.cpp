// What the window says of an exported photo: real exports, compared, and files that were changed
// since.
#include "editor/transfer/export_proof.h"

#include <gtest/gtest.h>

#include "editor/transfer/export_photo.h"
#include "pipeline/error.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using testing::daisy_pixels;
using testing::red_edit;
using testing::save_photo;
using testing::set_tags;

constexpr int width = 96, height = 64;

// The left half of the photo.
EditRegion left_half() {
    Mask mask{width, height, std::vector<std::uint8_t>(width * height, 0)};
    for (int i = 0; i < width * height; ++i) mask.values[i] = i % width < width / 2 ? 255 : 0;
    return EditRegion{mask};
}

ExportAsked whole(const EditRegion& region = {}) {
    return {region, {0, 0, width, height}, false};
}

class ExportProofTest : public ::testing::Test {
  protected:
    // A photo of that name, exported under the other one.
    ExportProof exported(const std::string& from, const std::string& to,
                         const ExportAsked& asked = whole(), const std::string& tags = "") {
        save_photo(folder.path / from, daisy_pixels(width, height));
        if (!tags.empty()) set_tags(folder.path / from, tags);
        photo = load_photo(folder.path / from);
        const AreaEdit edit = red_edit(photo.pixels, asked.crop, 64);
        export_photo(folder.path / to, photo, edit, asked.region, {asked.strip_gps, {}, {}});
        return prove_export(photo, folder.path / to, asked);
    }
    const testing::TemporaryFolder folder;
    Photo photo;
};

TEST_F(ExportProofTest, NothingOutsideTheMaskChanged) {
    const ExportProof proof = exported("photo.png", "out.png", whole(left_half()));
    EXPECT_EQ(proof_text(proof), "out.png: 0 of 3,072 pixels outside the mask changed; size kept");
    EXPECT_GT(proof.compared.inside->differing, 500);
    EXPECT_TRUE(outside_stayed(proof) && is_as_expected(proof));
}

// The count is of the file: one that was changed since is found.
TEST_F(ExportProofTest, APixelOutsideTheMaskIsCounted) {
    exported("photo.png", "out.png", whole(left_half()));
    Pixels pixels = load_photo(folder.path / "out.png").pixels;
    std::uint8_t& sample = pixels.rgb[(std::size_t(40) * width + 70) * 3];
    const int by = sample > 100 ? -77 : 77;
    sample = static_cast<std::uint8_t>(sample + by);
    save_photo(folder.path / "out.png", pixels);
    const ExportProof proof = prove_export(photo, folder.path / "out.png", whole(left_half()));
    EXPECT_EQ(proof_text(proof).find("out.png: 1 of 3,072 pixels outside the mask changed, by at "
                                     "most 77 of 255"),
              0u)
        << proof_text(proof);
    EXPECT_FALSE(outside_stayed(proof));
    EXPECT_FALSE(is_as_expected(proof));
}

// The sides of a crop that lie in the photo have faded to nothing.
TEST_F(ExportProofTest, OutsideOfTheCrop) {
    const ExportProof proof = exported("photo.png", "out.png", {{}, {10, 0, 64, 64}, false});
    // All but the 62 columns within.
    EXPECT_EQ(proof_text(proof),
              "out.png: 0 of 2,176 pixels outside the edited area changed; size kept");
}

TEST_F(ExportProofTest, WithoutAMaskNothingIsOutside) {
    const ExportProof proof = exported("photo.png", "out.png");
    const Pixels now = load_photo(folder.path / "out.png").pixels;
    int changed = 0;
    for (std::size_t i = 0; i < now.rgb.size(); i += 3)
        changed += !std::equal(&now.rgb[i], &now.rgb[i] + 3, &photo.pixels.rgb[i]);
    ASSERT_GT(changed, 1000);
    ASSERT_LT(changed, 6144);
    const std::string thousands = std::to_string(changed / 1000) + ",";
    const std::string rest = std::to_string(changed % 1000 + 1000).substr(1);
    EXPECT_EQ(proof_text(proof),
              "out.png: no mask: " + thousands + rest + " of 6,144 pixels changed; size kept");
    EXPECT_TRUE(outside_stayed(proof));
    EditRegion all = left_half();
    std::ranges::fill(all.mask->values, std::uint8_t{255});
    EXPECT_EQ(proof_text(prove_export(photo, folder.path / "out.png", whole(all)))
                  .find("out.png: the mask leaves nothing out: "),
              0u);
}

TEST_F(ExportProofTest, JpegLosesALittleAndKeepsTheRest) {
    const ExportProof proof = exported("photo.jpg", "out.jpg", whole(left_half()),
                                       "-EXIF:Artist=Zo -EXIF:Software=Camera -XMP:Title=Daisy");
    ASSERT_TRUE(proof.lossy);
    const int largest = proof.compared.outside->largest;
    ASSERT_GT(largest, 0);
    ASSERT_LT(largest, 64);
    const std::string text = proof_text(proof);
    EXPECT_NE(text.find(" of 3,072 pixels outside the mask changed, by at most " +
                        std::to_string(largest) +
                        " of 255: JPEG loses a little everywhere; size "
                        "and metadata kept"),
              std::string::npos)
        << text;
    EXPECT_TRUE(outside_stayed(proof) && is_as_expected(proof));
}

TEST_F(ExportProofTest, WhatIsLostIsNamed) {
    ExportAsked asked = whole(left_half());
    const std::string tags = "-EXIF:Artist=Zo -GPS:GPSLatitude=48.5 -GPS:GPSLatitudeRef=N";
    EXPECT_NE(proof_text(exported("a.png", "out.png", asked, tags)).find("size and metadata kept"),
              std::string::npos);
    asked.strip_gps = true;
    const ExportProof stripped = exported("b.png", "out.png", asked, tags);
    const std::string text = proof_text(stripped);
    EXPECT_NE(text.find("size kept; left out as you asked: GPS:GPS"), std::string::npos) << text;
    EXPECT_TRUE(is_as_expected(stripped));
    // Somebody took the artist out since.
    set_tags(folder.path / "out.png", "-EXIF:Artist=");
    asked.strip_gps = false;
    const ExportProof lost = prove_export(photo, folder.path / "out.png", asked);
    EXPECT_NE(proof_text(lost).find("lost: EXIF:Artist"), std::string::npos) << proof_text(lost);
    EXPECT_FALSE(is_as_expected(lost));
}

TEST_F(ExportProofTest, DepthAndTransparency) {
    const fs::path deep = folder.path / "deep.png";
    save_photo(folder.path / "photo.png", daisy_pixels(width, height));
    testing::printed_by("convert " + testing::in_quotes(folder.path / "photo.png") +
                        " -alpha set -channel A -evaluate set 50% +channel -depth 16 -define "
                        "png:bit-depth=16 " +
                        testing::in_quotes(deep));
    photo = load_photo(deep);
    const ExportAsked asked = whole(left_half());
    const AreaEdit edit = red_edit(photo.pixels, asked.crop, 64);
    export_photo(folder.path / "out.png", photo, edit, asked.region);
    const ExportProof kept = prove_export(photo, folder.path / "out.png", asked);
    EXPECT_EQ(proof_text(kept).find("out.png: 0 of 3,072 pixels"), 0u) << proof_text(kept);
    EXPECT_EQ(kept.compared.bits, 16);
    EXPECT_TRUE(is_as_expected(kept));
    export_photo(folder.path / "out.jpg", photo, edit, asked.region);
    const ExportProof lost = prove_export(photo, folder.path / "out.jpg", asked);
    EXPECT_NE(proof_text(lost).find("; 16 bits became 8; transparency lost"), std::string::npos)
        << proof_text(lost);
    EXPECT_FALSE(is_as_expected(lost));
}

TEST_F(ExportProofTest, AFileThatIsGone) {
    exported("photo.png", "out.png");
    fs::remove(folder.path / "out.png");
    EXPECT_THROW(prove_export(photo, folder.path / "out.png", whole()), Error);
}

}  // namespace
}  // namespace keepsake::editor
