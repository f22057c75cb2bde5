// The mode inpaint: an edit that draws anew what a mask says.
#include <gtest/gtest.h>

#include "editor/photo/photo.h"
#include "editor/session/session.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/masked_photo.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/model/model_on_disk.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class InpaintMode : public ::testing::Test {
  protected:
    InpaintMode() { save_photo_and_mask(folder.path); }
    ProgramRun run(const std::vector<std::string>& command,
                   const std::vector<std::string>& more) const {
        const std::vector<std::string> usual = {"--sampler",  "dpmpp_2m", "--steps", "4",
                                                "--guidance", "3",        "--quiet"};
        return run_program(joined(joined(command, usual), more), {.folder = folder.path});
    }
    ProgramRun edit(const std::vector<std::string>& more) const {
        return run({"edit", "p.png", "a red rose", "--mode", "inpaint", "--size", "64", "--session",
                    "s.keepsake", "--out", "out"},
                   more);
    }
    editor::Pixels picture(const std::string& name) const {
        return editor::load_photo(folder.path / name).pixels;
    }
    const TemporaryFolder folder;
};

// Of each strength, with what a strength of 1 has: noise alone, and no picture under it.
TEST_F(InpaintMode, IsThePictureOfGenerate) {
    const ProgramRun made =
        edit({"--mask", "m.png", "--no-full", "--eta", "0.5:1:2", "--seed", "3,8"});
    ASSERT_EQ(made.status, 0) << made.err;
    for (const std::string strength : {"0.5", "1"}) {
        for (const std::string seed : {"3", "8"}) {
            const ProgramRun reference = run(
                {"generate", "a red rose", "--size", "64", "--image", "p.png", "--mask", "m.png",
                 "--no-full", "--strength", strength, "--seed", seed, "--out", "g.png"},
                {});
            ASSERT_EQ(reference.status, 0) << reference.err;
            const std::string eta = strength == "1" ? "1.00" : "0.50";
            EXPECT_EQ(picture("out/p-eta" + eta + "-seed" + seed + ".png").rgb,
                      picture("g.png").rgb)
                << strength << " " << seed;
        }
    }
    EXPECT_NE(picture("out/p-eta1.00-seed3.png").rgb, picture("out/p-eta1.00-seed8.png").rgb);
    EXPECT_NE(picture("out/p-eta0.50-seed3.png").rgb, picture("out/p-eta1.00-seed3.png").rgb);
}

TEST_F(InpaintMode, WithoutAStrengthDrawsOnePictureAnewAndNothingOutside) {
    const ProgramRun made = edit({"--mask", "m.png"});
    ASSERT_EQ(made.status, 0) << made.err;
    const auto before = quarters(96, 96).rgb, found = picture("out/p-eta1.00-seed0.png").rgb;
    ASSERT_EQ(found.size(), before.size());
    std::size_t inside = 0, outside = 0;
    for (std::size_t i = 0; i < before.size(); ++i)
        (i / 3 % 96 < 32 ? inside : outside) += found[i] != before[i];
    EXPECT_EQ(outside, 0u);
    EXPECT_GT(inside, 1000u);
    EXPECT_FALSE(fs::exists(folder.path / "out/p-eta0.60-seed0.png"));
    EXPECT_NE(editor::describe_session(folder.path / "s.keepsake").find("mode: inpaint\n"),
              std::string::npos);
    // Eta 0 is the photo; more than anew there is not.
    const ProgramRun again =
        run({"render", "s.keepsake", "--mask", "m.png", "--eta", "0:1.2:3", "--out", "again"}, {});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(picture("again/p-eta0.00-seed0.png").rgb, before);
    EXPECT_EQ(picture("again/p-eta1.20-seed0.png").rgb, found);
}

// Made for inpainting (nine input channels): this mode, and no other.
TEST_F(InpaintMode, AModelMadeForIt) {
    const ModelFolder model;
    widen_conv_in(model, 9);
    const std::vector<std::string> of = {"--mask", "m.png", "--no-full", "--model",
                                         model.path.string()};
    const ProgramRun made = edit(joined(of, {"--seed", "3"}));
    ASSERT_EQ(made.status, 0) << made.err;
    const ProgramRun reference = run({"generate", "a red rose", "--size", "64", "--image", "p.png",
                                      "--seed", "3", "--out", "g.png"},
                                     of);
    ASSERT_EQ(reference.status, 0) << reference.err;
    EXPECT_EQ(picture("out/p-eta1.00-seed3.png").rgb, picture("g.png").rgb);
    const ProgramRun fast = edit(joined(of, {"--mode", "fast", "--restart"}));
    EXPECT_EQ(fast.status, 1);
    EXPECT_NE(fast.err.find("is for inpainting, which the mode inpaint does"), std::string::npos)
        << fast.err;
    const ProgramRun found = edit({"--mask", "auto", "--model", model.path.string()});
    EXPECT_EQ(found.status, 1);
    EXPECT_NE(found.err.find("finds no mask by itself"), std::string::npos) << found.err;
}

TEST_F(InpaintMode, SaysWhatIsMissing) {
    const ProgramRun none = edit({});
    EXPECT_EQ(none.status, 1);
    EXPECT_NE(none.err.find("mode inpaint: needs a mask"), std::string::npos) << none.err;
    EXPECT_FALSE(fs::exists(folder.path / "s.keepsake"));
    const ProgramRun way = edit({"--mask", "m.png", "--way", "line", "--restart"});
    EXPECT_EQ(way.status, 1);
    EXPECT_NE(way.err.find("mode inpaint: draws from noise"), std::string::npos) << way.err;
    const ProgramRun steps = edit({"--mask", "m.png", "--finetune-steps", "3", "--restart"});
    EXPECT_EQ(steps.status, 1);
    EXPECT_NE(steps.err.find("mode inpaint: learns nothing"), std::string::npos) << steps.err;
}

}  // namespace
}  // namespace keepsake::testing
