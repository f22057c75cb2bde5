// keepsake generate with a model that edits by instruction, as a script calls it.
#include <gtest/gtest.h>

#include "editor/photo/photo.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/model/model_on_disk.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class Instruct : public ::testing::Test {
  protected:
    Instruct() {
        save_photo(folder.path / "p.png", quarters(96, 80));
        widen_conv_in(model, 8);
    }
    ProgramRun run(std::vector<std::string> more) const {
        return run_program(joined({"generate", "make it a red rose", "--steps", "2", "--size", "64",
                                   "--quiet", "--model", model.path.string()},
                                  more),
                           {.folder = folder.path});
    }
    std::vector<std::uint8_t> pixels(const std::string& name) const {
        return editor::load_photo(folder.path / name).pixels.rgb;
    }
    const TemporaryFolder folder;
    const ModelFolder model;
};

TEST_F(Instruct, ThePhotoAtItsOwnSizeAndHowCloselyItIsKept) {
    ASSERT_EQ(run({"--image", "p.png", "--out", "a.png"}).status, 0);
    EXPECT_EQ(editor::load_photo(folder.path / "a.png").pixels.width, 96);
    EXPECT_NE(pixels("a.png"), quarters(96, 80).rgb);
    const std::string info = run_program({"info", (folder.path / "a.png").string()}).out;
    EXPECT_NE(info.find("\"image_guidance\": 1.5"), std::string::npos) << info;
    ASSERT_EQ(run({"--image", "p.png", "--image-guidance", "1.5", "--out", "same.png"}).status, 0);
    EXPECT_EQ(pixels("same.png"), pixels("a.png"));
    ASSERT_EQ(run({"--image", "p.png", "--image-guidance", "4", "--out", "b.png"}).status, 0);
    EXPECT_NE(pixels("b.png"), pixels("a.png"));
    ASSERT_EQ(run({"--image", "p.png", "--no-full", "--out", "c.png"}).status, 0);
    EXPECT_EQ(editor::load_photo(folder.path / "c.png").pixels.width, 72);
}

TEST_F(Instruct, WithinAMask) {
    editor::Pixels mask{96, 80, std::vector<std::uint8_t>(96 * 80 * 3, 0)};
    for (std::size_t i = 0; i < mask.rgb.size(); ++i) mask.rgb[i] = i / 3 % 96 < 40 ? 255 : 0;
    save_photo(folder.path / "m.png", mask);
    ASSERT_EQ(run({"--image", "p.png", "--mask", "m.png", "--out", "a.png"}).status, 0);
    const auto before = quarters(96, 80).rgb, after = pixels("a.png");
    std::size_t inside = 0, outside = 0;
    for (std::size_t i = 0; i < before.size(); ++i)
        (i / 3 % 96 < 40 ? inside : outside) += before[i] != after[i];
    EXPECT_EQ(outside, 0u);
    EXPECT_GT(inside, 1000u);
}

TEST_F(Instruct, FaultsSayWhatIsMissing) {
    const auto expect = [&](const std::vector<std::string>& arguments, int status,
                            const std::string& part) {
        const ProgramRun refused = run(arguments);
        EXPECT_EQ(refused.status, status) << part;
        EXPECT_NE(refused.err.find(part), std::string::npos) << refused.err;
        if (status == 1) {
            EXPECT_EQ(refused.error_lines().size(), 1u) << refused.err;
        }
    };
    expect({}, 1, "edits a photo by an instruction: it needs --image");
    expect({"--image-guidance", "2"}, 2, "--image-guidance: is only for --image");
    expect({"--image", "p.png", "--image-guidance", "0.5"}, 2, "is not between 1 and 100");
    expect({"--image", "p.png", "--strength", "0.5"}, 1, "--strength: means nothing to ");
    expect({"--image", "p.png", "--prompt-syntax", "a1111"}, 1, "a1111 is not for models that");
    const ProgramRun plain = run_program({"generate", "a red rose", "--image", "p.png", "--size",
                                          "64", "--quiet", "--image-guidance", "2"},
                                         {.folder = folder.path});
    EXPECT_EQ(plain.status, 1);
    EXPECT_NE(plain.err.find("--image-guidance: is for models that edit by instruction"),
              std::string::npos)
        << plain.err;
}

// Tuning such a model is another matter, and said at once.
TEST_F(Instruct, OtherCommandsRefuseTheModel) {
    const std::string photo = (folder.path / "p.png").string();
    const std::vector<std::vector<std::string>> commands = {
        {"edit", photo, "a red rose"},
        {"learn", "subject", photo, "--token", "sks"},
        {"learn", "word", photo, "--token", "<it>"}};
    for (std::vector<std::string> arguments : commands) {
        arguments.insert(arguments.end(), {"--model", model.path.string(), "--quiet"});
        const ProgramRun refused = run_program(arguments, {.folder = folder.path});
        EXPECT_EQ(refused.status, 1) << arguments[0] << refused.err;
        EXPECT_NE(refused.err.find("edits by instruction, which keepsake generate does"),
                  std::string::npos)
            << refused.err;
    }
}

}  // namespace
}  // namespace keepsake::testing
