// keepsake generate --grid as a script calls it.
#include <gtest/gtest.h>

#include "editor/photo/photo.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/outside_tools.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class GenerateGrid : public ::testing::Test {
  protected:
    ProgramRun run(std::vector<std::string> more) const {
        return run_program(joined({"generate", "a red rose", "--size", "64", "--steps", "2",
                                   "--sampler", "dpm2_a", "--quiet"},
                                  more),
                           {.folder = folder.path});
    }
    std::vector<std::uint8_t> pixels(const std::string& name) const {
        return editor::load_photo(folder.path / name).pixels.rgb;
    }
    const TemporaryFolder folder;
};

// Each picture is the one that is drawn alone, in the order of texts, guidances, seeds.
TEST_F(GenerateGrid, TextsGuidancesAndSeeds) {
    const ProgramRun made = run({"--seed", "3,4", "--grid", "grid.png", "--grid-guidance", "1,6",
                                 "--grid-text", "a white daisy", "--out", "p.png"});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_EQ(made.out,
              "p-1.png\np-2.png\np-3.png\np-4.png\np-5.png\np-6.png\np-7.png\n"
              "p-8.png\ngrid.png\n");
    ASSERT_EQ(run({"--seed", "4", "--guidance", "6", "--out", "alone.png"}).status, 0);
    EXPECT_EQ(pixels("p-4.png"), pixels("alone.png"));
    const ProgramRun other =
        run_program({"generate", "a white daisy", "--size", "64", "--steps", "2", "--sampler",
                     "dpm2_a", "--seed", "3", "--guidance", "1", "--quiet", "--out", "daisy.png"},
                    {.folder = folder.path});
    ASSERT_EQ(other.status, 0) << other.err;
    EXPECT_EQ(pixels("p-5.png"), pixels("daisy.png"));
    // Small pictures are shown in cells of 256 pixels: two columns and four rows of them.
    const editor::Photo grid = editor::load_photo(folder.path / "grid.png");
    EXPECT_GT(grid.pixels.width, 2 * 256 + 100);
    EXPECT_LT(grid.pixels.width, 3 * 256 + 200);
    EXPECT_GT(grid.pixels.height, 4 * 256);
    EXPECT_LT(grid.pixels.height, 5 * 256);
}

TEST_F(GenerateGrid, WrongUsage) {
    EXPECT_EQ(run({"--grid-guidance", "1,2"}).status, 2);
    EXPECT_EQ(run({"--grid-text", "a white daisy"}).status, 2);
    EXPECT_EQ(run({"--grid", "grid.txt"}).status, 2);
    EXPECT_EQ(run({"--grid", "grid.png", "--grid-guidance", "1,x"}).status, 2);
    EXPECT_EQ(run({"--grid", "grid.png", "--grid-guidance", "1,2", "--guidance", "3"}).status, 2);
    EXPECT_EQ(run({"--grid", "same.png", "--out", "same.png"}).status, 2);
    const ProgramRun named = run(
        {"--grid", "grid.png", "--prompt-syntax", "a1111", "--grid-text", "a daisy <lora:x:1>"});
    EXPECT_EQ(named.status, 2) << named.err;
    EXPECT_FALSE(fs::exists(folder.path / "generated.png"));
}

}  // namespace
}  // namespace keepsake::testing
