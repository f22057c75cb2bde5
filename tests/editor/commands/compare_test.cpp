// keepsake compare as a script calls it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

class Compare : public ::testing::Test {
  protected:
    Compare() {
        editor::Pixels pixels = daisy_pixels(96, 64);
        pixels.rgb[0] = 100;
        save_photo(a, pixels);
        pixels.rgb[0] = 107;
        save_photo(b, pixels);
        editor::Pixels white{96, 64, std::vector<std::uint8_t>(96 * 64 * 3, 0)};
        for (int i = 0; i < 3; ++i) white.rgb[i] = 255;
        save_photo(mask, white);
    }
    const TemporaryFolder folder;
    const std::string a = folder.path / "a.png", b = folder.path / "b.png",
                      mask = folder.path / "mask.png";
};

TEST_F(Compare, StatusSaysWhetherTheOutsideIsUntouched) {
    EXPECT_EQ(run_program({"compare", a, a}).status, 0);
    const ProgramRun changed = run_program({"compare", a, b});
    EXPECT_EQ(changed.status, 1);
    EXPECT_NE(changed.out.find("pixels: 1 of 6,144 changed, the most by 7\n"), std::string::npos)
        << changed.out;
    EXPECT_NE(changed.err.find("b.png: 1 of 6,144 pixels differ from those of"), std::string::npos)
        << changed.err;
    EXPECT_EQ(changed.error_lines().size(), 1u);
    const ProgramRun masked = run_program({"compare", a, b, "--mask", mask});
    EXPECT_EQ(masked.status, 0) << masked.err;
    EXPECT_NE(masked.out.find("pixels outside the mask: 0 of 6,143 changed\n"), std::string::npos)
        << masked.out;
    EXPECT_NE(masked.out.find("pixels inside the mask: 1 of 1 changed, the most by 7\n"),
              std::string::npos);
    EXPECT_EQ(run_program({"compare", a, b, "--tolerance", "7"}).status, 0);
    EXPECT_EQ(run_program({"compare", a, b, "--tolerance", "6"}).status, 1);
}

TEST_F(Compare, Json) {
    const ProgramRun run = run_program({"compare", a, b, "--mask", mask, "--json"});
    EXPECT_EQ(run.status, 0);
    const auto line = nlohmann::json::parse(run.out);
    EXPECT_EQ(line["outside_untouched"], true);
    EXPECT_EQ(line["outside"]["pixels"], 6143);
    EXPECT_EQ(line["outside"]["differing"], 0);
    EXPECT_EQ(line["inside"]["largest"], 7);
    EXPECT_EQ(line["a"]["width"], 96);
    EXPECT_EQ(line["b"]["bits"], 8);
    EXPECT_TRUE(line["metadata"].is_array());
}

TEST_F(Compare, BadInput) {
    EXPECT_EQ(run_program({"compare", a}).status, 2);
    EXPECT_EQ(run_program({"compare", a, b, "--tolerance", "-1"}).status, 2);
    EXPECT_EQ(run_program({"compare", a, b, "--crop", "0,0,8,8"}).status, 2);
    const ProgramRun missing = run_program({"compare", a, folder.path / "no.png"});
    EXPECT_EQ(missing.status, 1);
    EXPECT_NE(missing.err.find("no.png"), std::string::npos);
    const ProgramRun outside =
        run_program({"compare", a, b, "--mask", mask, "--crop", "60,0,64,64"});
    EXPECT_EQ(outside.status, 1);
    EXPECT_NE(outside.err.find("crop"), std::string::npos) << outside.err;
}

}  // namespace
}  // namespace keepsake::testing
