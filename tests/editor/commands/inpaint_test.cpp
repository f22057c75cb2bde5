// keepsake generate --image --mask as a script calls it.
#include <gtest/gtest.h>

#include "editor/photo/photo.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class Inpaint : public ::testing::Test {
  protected:
    Inpaint() {
        save_photo(folder.path / "p.png", quarters(96, 96));
        // The left third is drawn anew.
        editor::Pixels mask{96, 96, std::vector<std::uint8_t>(96 * 96 * 3, 0)};
        for (std::size_t i = 0; i < mask.rgb.size(); ++i) mask.rgb[i] = i / 3 % 96 < 32 ? 255 : 0;
        save_photo(folder.path / "m.png", mask);
    }
    ProgramRun run(std::vector<std::string> more) const {
        std::vector<std::string> arguments = {"generate",  "a red rose", "--size",
                                              "64",        "--steps",    "3",
                                              "--sampler", "dpmpp_2m",   "--quiet"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run_program(arguments, {.folder = folder.path});
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

TEST_F(Inpaint, WrongUsage) {
    EXPECT_EQ(run({"--mask", "m.png"}).status, 2);
    EXPECT_EQ(run({"--image", "p.png", "--mask", ""}).status, 2);
    EXPECT_EQ(run({"--image", "p.png", "--no-full"}).status, 2);
    const ProgramRun missing = run({"--image", "p.png", "--mask", "no.png"});
    EXPECT_EQ(missing.status, 1);
    EXPECT_NE(missing.err.find("no.png"), std::string::npos) << missing.err;
}

}  // namespace
}  // namespace keepsake::testing
