// keepsake edit --grid and render --grid as a script calls them.
#include <gtest/gtest.h>

#include <algorithm>

#include "editor/photo/photo.h"
#include "editor/session/session.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class EditGrids : public ::testing::Test {
  protected:
    EditGrids() { save_photo(folder.path / "p.png", quarters(96, 96)); }
    ProgramRun run(const std::vector<std::string>& command,
                   const std::vector<std::string>& more) const {
        return run_program(joined(joined(command, {"--steps", "2", "--sampler", "ddim", "--way",
                                                   "line", "--no-full", "--quiet"}),
                                  more),
                           {.folder = folder.path});
    }
    ProgramRun edit(const std::vector<std::string>& more) const {
        return run({"edit", "p.png", "a red rose", "--size", "64", "--embedding-steps", "1",
                    "--finetune-steps", "1", "--session", "s.keepsake"},
                   more);
    }
    std::vector<std::uint8_t> pixels(const std::string& name) const {
        return editor::load_photo(folder.path / name).pixels.rgb;
    }
    const TemporaryFolder folder;
};

// Each picture is the one that is rendered alone.
TEST_F(EditGrids, TextsGuidancesSeedsAndStrengths) {
    const ProgramRun made =
        edit({"--eta", "0.5:1:2", "--seed", "1,2", "--out", "out", "--grid", "grid.png",
              "--grid-guidance", "1,4", "--grid-text", "a blue daisy"});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_EQ(std::ranges::count(made.out, '\n'), 17) << made.out;
    EXPECT_NE(made.out.find("out/text-2-guidance-4/p-eta1.00-seed2.png\ngrid.png\n"),
              std::string::npos)
        << made.out;
    const editor::Recipe second =
        editor::load_recipe(folder.path / "s-text-2.keepsake/recipe.json");
    EXPECT_EQ(second.prompt, "a blue daisy");
    EXPECT_EQ(second.start,
              tuning_tag(editor::load_recipe(folder.path / "s.keepsake/recipe.json")));
    for (const std::string session : {"s", "s-text-2"}) {
        const ProgramRun alone =
            run({"render", session + ".keepsake"},
                {"--eta", "1", "--seed", "2", "--guidance", "4", "--out", session + ".png"});
        ASSERT_EQ(alone.status, 0) << alone.err;
    }
    EXPECT_EQ(pixels("out/text-1-guidance-4/p-eta1.00-seed2.png"), pixels("s.png"));
    EXPECT_EQ(pixels("out/text-2-guidance-4/p-eta1.00-seed2.png"), pixels("s-text-2.png"));
    EXPECT_NE(pixels("out/text-1-guidance-1/p-eta1.00-seed2.png"), pixels("s.png"));
    // Four rows of four pictures in cells of 256 pixels.
    const editor::Photo grid = editor::load_photo(folder.path / "grid.png");
    EXPECT_GT(grid.pixels.width, 4 * 256);
    EXPECT_GT(grid.pixels.height, 4 * 256);
    EXPECT_LT(grid.pixels.height, 5 * 256);

    const ProgramRun again =
        run({"render", "s.keepsake"}, {"--eta", "1", "--seed", "2", "--out", "again", "--grid",
                                       "again/all.png", "--grid-guidance", "1,4"});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(pixels("again/guidance-4/p-eta1.00-seed2.png"), pixels("s.png"));
    EXPECT_TRUE(fs::exists(folder.path / "again/all.png"));
}

TEST_F(EditGrids, WrongUsage) {
    for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
             {"--grid-guidance", "1,2"},
             {"--grid-text", "a white daisy"},
             {"--grid", "grid.png"},
             {"--grid", "grid.txt", "--out", "out"},
             {"--grid", "grid.png", "--out", "a.png", "--eta", "1"},
             {"--grid", "grid.png", "--out", "out", "--grid-guidance", "1,x"},
             {"--grid", "g.png", "--out", "out", "--grid-guidance", "1,2", "--guidance", "3"}}) {
        const ProgramRun refused = edit(wrong);
        EXPECT_EQ(refused.status, 2) << wrong[0] << refused.err;
        EXPECT_EQ(refused.error_lines().size(), 1u) << refused.err;
    }
    EXPECT_FALSE(fs::exists(folder.path / "s.keepsake"));
}

}  // namespace
}  // namespace keepsake::testing
