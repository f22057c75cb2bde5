// keepsake generate --image --mask as a script calls it.
#include <gtest/gtest.h>

#include "editor/photo/photo.h"
#include "editor/photo/picture_settings.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/masked_photo.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class Inpaint : public ::testing::Test {
  protected:
    Inpaint() { save_photo_and_mask(folder.path); }
    ProgramRun run(std::vector<std::string> more) const {
        return run_program(joined({"generate", "a red rose", "--size", "64", "--steps", "3",
                                   "--sampler", "dpmpp_2m", "--quiet"},
                                  more),
                           {.folder = folder.path});
    }
    const TemporaryFolder folder;
};

TEST_F(Inpaint, ThePhotoOutsideTheMaskIsItself) {
    const ProgramRun made = run({"--image", "p.png", "--mask", "m.png", "--out", "a.png"});
    ASSERT_EQ(made.status, 0) << made.err;
    const editor::Pixels found = editor::load_photo(folder.path / "a.png").pixels;
    ASSERT_EQ(found.width, 96);
    const auto before = quarters(96, 96).rgb;
    std::size_t inside = 0, outside = 0;
    for (std::size_t i = 0; i < before.size(); ++i)
        (i / 3 % 96 < 32 ? inside : outside) += found.rgb[i] != before[i];
    EXPECT_EQ(outside, 0u);
    EXPECT_GT(inside, 1000u);
    EXPECT_NE(run_program({"info", (folder.path / "a.png").string()}).out.find("\"m.png\""),
              std::string::npos);
    const ProgramRun area =
        run({"--image", "p.png", "--mask", "m.png", "--no-full", "--out", "b.png"});
    ASSERT_EQ(area.status, 0) << area.err;
    EXPECT_EQ(editor::load_photo(folder.path / "b.png").pixels.width, 64);
}

// What other programs list pictures by is in the photo too, beside its own EXIF.
TEST_F(Inpaint, CarriesTheSettings) {
    save_photo(folder.path / "p.jpg", quarters(96, 96), 1);
    for (const std::string out : {"s.png", "s.jpg", "s.tif"}) {
        const ProgramRun made = run({"--image", "p.jpg", "--mask", "m.png", "--out", out});
        ASSERT_EQ(made.status, 0) << made.err;
        const auto settings = editor::read_picture_settings(folder.path / out);
        ASSERT_TRUE(settings) << out;
        EXPECT_EQ(settings->prompt, "a red rose") << out;
        EXPECT_EQ(settings->denoising_strength, 1) << out;
        // The photo's size is not the picture's.
        EXPECT_EQ(settings->width, 64) << out;
        EXPECT_EQ(editor::load_photo(folder.path / out).pixels.width, 96) << out;
    }
    ASSERT_EQ(
        run({"--image", "p.jpg", "--mask", "m.png", "--no-parameters", "--out", "n.jpg"}).status,
        0);
    EXPECT_FALSE(editor::read_picture_settings(folder.path / "n.jpg"));
}

// The part around the mask alone, at the model's own resolution.
TEST_F(Inpaint, OnlyMasked) {
    save_photo(folder.path / "large.png", quarters(300, 200));
    editor::Pixels mask{300, 200, std::vector<std::uint8_t>(300 * 200 * 3, 0)};
    const auto inside = [](std::size_t i) {
        const std::size_t x = i / 3 % 300, y = i / 3 / 300;
        return x >= 40 && x < 80 && y >= 60 && y < 90;
    };
    for (std::size_t i = 0; i < mask.rgb.size(); ++i) mask.rgb[i] = inside(i) ? 255 : 0;
    save_photo(folder.path / "small.png", mask);
    const auto made = [&](const std::string& option, const std::string& out) {
        const ProgramRun ran =
            run({"--image", "large.png", "--mask", "small.png", option, "--out", out});
        EXPECT_EQ(ran.status, 0) << ran.err;
        return run_program({"info", (folder.path / out).string()}).out;
    };
    const std::string info = made("--only-masked", "a.png");
    EXPECT_NE(info.find("\"only_masked\": 32"), std::string::npos) << info;
    // 40 + 2 * 32 pixels wide and so high, too.
    for (const char* part : {"\"x\": 8", "\"y\": 23", "\"width\": 104", "\"height\": 104"})
        EXPECT_NE(info.find(part), std::string::npos) << part << info;
    const auto before = quarters(300, 200).rgb;
    const auto found = editor::load_photo(folder.path / "a.png").pixels.rgb;
    ASSERT_EQ(found.size(), before.size());
    std::size_t changed = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
        if (found[i] == before[i]) continue;
        ASSERT_TRUE(inside(i)) << i;
        ++changed;
    }
    EXPECT_GT(changed, 1500u);  // of 3600
    const std::string narrow = made("--only-masked=4", "b.png");
    EXPECT_NE(narrow.find("\"only_masked\": 4"), std::string::npos) << narrow;
    EXPECT_NE(narrow.find("\"width\": 48"), std::string::npos) << narrow;
    // A part of its own size is seen where all of the photo was before.
    EXPECT_NE(made("--full", "c.png").find("\"width\": 300"), std::string::npos);
    EXPECT_NE(editor::load_photo(folder.path / "c.png").pixels.rgb, found);
}

TEST_F(Inpaint, OnlyMaskedFaults) {
    editor::Pixels black{96, 96, std::vector<std::uint8_t>(96 * 96 * 3, 0)};
    save_photo(folder.path / "black.png", black);
    const ProgramRun empty = run({"--image", "p.png", "--mask", "black.png", "--only-masked"});
    EXPECT_EQ(empty.status, 1);
    EXPECT_NE(empty.err.find("black.png: mask: nothing in it is white"), std::string::npos)
        << empty.err;
    for (const char* wrong : {"--only-masked=-1", "--only-masked=x", "--only-masked=5000"}) {
        const ProgramRun refused = run({"--image", "p.png", "--mask", "m.png", wrong});
        EXPECT_EQ(refused.status, 2) << wrong << refused.err;
    }
}

TEST_F(Inpaint, WrongUsage) {
    EXPECT_EQ(run({"--mask", "m.png"}).status, 2);
    EXPECT_EQ(run({"--image", "p.png", "--mask", ""}).status, 2);
    EXPECT_EQ(run({"--no-full"}).status, 2);
    EXPECT_EQ(run({"--image", "p.png", "--only-masked"}).status, 2);
    const ProgramRun missing = run({"--image", "p.png", "--mask", "no.png"});
    EXPECT_EQ(missing.status, 1);
    EXPECT_NE(missing.err.find("no.png"), std::string::npos) << missing.err;
}

}  // namespace
}  // namespace keepsake::testing
