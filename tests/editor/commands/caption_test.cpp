// `keepsake caption` through the real program, by the tiny BLIP of the goldens.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "editor/edit/caption.h"
#include "editor/photo/photo.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path blip = fs::path(KEEPSAKE_GOLDENS) / "blip/base";

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

class Caption : public ::testing::Test {
  protected:
    Caption() {
        fs::create_directory(photos);
        save_photo(photos / "a.png", quarters(60, 44));
        save_photo(photos / "b.jpg", quarters(44, 60));
    }
    ProgramRun caption(const Arguments& more, const fs::path& captioner = blip) const {
        return run_program(joined(
            {"caption", photos.string(), "--captioner", captioner.string(), "--threads", "1"},
            more));
    }
    std::string text(const char* name) const { return read_file(photos / name); }
    bool is_written(const char* name) const { return fs::exists(photos / name); }

    const TemporaryFolder folder;
    const fs::path photos = folder.path / "my photos";
};

TEST_F(Caption, LiesBesideEachPhotoAsTheCaptionerSaysIt) {
    const ProgramRun run = caption({"--json", "--least-tokens", "5"});
    ASSERT_EQ(run.status, 0) << run.err;
    const auto lines = lines_of(run.out);
    ASSERT_EQ(lines.size(), 3u) << run.out;
    editor::CaptionRequest request;
    request.captioner = blip;
    request.search.least = 5;
    const editor::Describe describe = editor::make_describer(request);
    for (int i = 0; i < 2; ++i) {
        const json line = json::parse(lines[static_cast<std::size_t>(i)]);
        const fs::path photo = line.at("photo").get<std::string>();
        EXPECT_EQ(photo, photos / (i == 0 ? "a.png" : "b.jpg"));
        const std::string said = describe(editor::load_photo(photo).pixels);
        EXPECT_FALSE(said.empty());
        EXPECT_EQ(line.at("caption"), said);
        EXPECT_EQ(read_file(line.at("file").get<std::string>()), said + "\n");
    }
    const json sums = json::parse(lines[2]);
    EXPECT_EQ(sums, json({{"photos", 2}, {"captioned", 2}, {"kept", 0}, {"failed", 0}}));
}

TEST_F(Caption, IsNeverWrittenOverAnotherUnlessAsked) {
    write_bytes(photos / "a.txt", "mine");
    write_bytes(photos / "b.caption", "mine too");
    const ProgramRun kept = caption({});
    EXPECT_EQ(kept.status, 0) << kept.err;
    EXPECT_EQ(kept.out, "");
    EXPECT_NE(kept.err.find("2 of 2 photos have captions already"), std::string::npos) << kept.err;
    EXPECT_EQ(text("a.txt"), "mine");
    EXPECT_FALSE(is_written("b.txt"));
    EXPECT_EQ(caption({"--overwrite"}).status, 0);
    EXPECT_NE(text("a.txt"), "mine");
    EXPECT_EQ(text("b.caption"), "mine too");
    EXPECT_TRUE(is_written("b.txt"));
}

TEST_F(Caption, NoLinkIsWrittenThrough) {
    write_bytes(folder.path / "elsewhere.txt", "not yours");
    fs::create_symlink(folder.path / "elsewhere.txt", photos / "a.txt");
    fs::create_symlink(folder.path / "nowhere.txt", photos / "b.txt");
    EXPECT_EQ(caption({}).status, 0);
    const ProgramRun run = caption({"--overwrite"});
    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(read_file(folder.path / "elsewhere.txt"), "not yours");
    EXPECT_FALSE(fs::exists(folder.path / "nowhere.txt"));
}

TEST_F(Caption, WordsBeforeAndAfterStandAsGiven) {
    const ProgramRun run =
        caption({"--check", "--prefix", "sks, ", "--postfix", " (mine)", "--caption-prompt",
                 "a photo of", "--beams", "3", "--most-tokens", "4"});
    ASSERT_EQ(run.status, 0) << run.err;
    const auto lines = lines_of(run.out);
    ASSERT_EQ(lines.size(), 2u);
    for (const std::string& line : lines) {
        EXPECT_NE(line.find(": sks, a photo of"), std::string::npos) << line;
        EXPECT_TRUE(line.ends_with(" (mine)")) << line;
    }
    EXPECT_FALSE(is_written("a.txt"));  // --check
}

TEST_F(Caption, OnePhotoThatIsBrokenStopsNoOther) {
    write_bytes(photos / "a.png", "no picture");
    save_photo(photos / "b.png", quarters(60, 44));  // would have b.jpg's caption
    const ProgramRun run = caption({});
    EXPECT_EQ(run.status, 1);
    EXPECT_TRUE(is_written("b.txt"));
    EXPECT_FALSE(is_written("a.txt"));
    for (const char* part :
         {"a.png: ", "b.png: its caption would lie where", "captions: 2 of 3 photos have none"})
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
}

TEST_F(Caption, WrongUsageAndBadInputAreOneLine) {
    const auto refused = [&](const ProgramRun& run, int status, const std::string& part) {
        EXPECT_EQ(run.status, status) << run.err;
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    };
    refused(caption({"--beams", "0"}), 2, "--beams: should be 1 to 32");
    refused(caption({"--least-tokens", "9", "--most-tokens", "8"}), 2, "--least-tokens: ");
    refused(caption({"--most-tokens", "0"}), 2, "--most-tokens: ");
    refused(caption({"--prefix", "a\nb"}), 2, "--prefix: has a line break");
    refused(caption({"--caption-prompt", " "}), 2, "--caption-prompt: is empty");
    refused(caption({}, folder.path / "gone"), 1, "gone: is not there");
    refused(caption({"--most-tokens", "60"}), 1, "has places for 40");
    refused(caption({"--model", "m"}), 2, "--model: is for --captioner model");
    refused(caption({"--beams", "3"}, "model"), 2, "--beams: is for a captioner's folder");
    refused(caption({"--model", folder.path.string()}, "model"), 1, "captions.json: is missing");
    write_bytes(folder.path / "pytorch_model.bin", "PK\x03\x04 ...");
    refused(caption({}, folder.path / "pytorch_model.bin"), 1, "is a pickle");
    fs::create_directory(folder.path / "empty");
    refused(
        run_program({"caption", (folder.path / "empty").string(), "--captioner", blip.string()}), 1,
        "empty: holds no pictures");
}

TEST(TidyCaption, TakesOutWhatSaysNothing) {
    const auto tidy = [](const char* text, const char* prompt = "") {
        return editor::tidy_caption(text, prompt);
    };
    EXPECT_EQ(tidy("arafed image of a dog"), "a dog");
    EXPECT_EQ(tidy("there is a picture of a rose"), "a rose");
    EXPECT_EQ(tidy("an araffe dog' s ball"), "an dog' s ball");
    EXPECT_EQ(tidy("a close - up of a rose ' s leaf"), "a close-up of a rose's leaf");
    EXPECT_EQ(tidy("a dog that can ' t"), "a dog that can't");
    EXPECT_EQ(tidy("a picture of a picture of a dog", "a picture of"),
              "a picture of a picture of a dog");
    EXPECT_EQ(tidy("a picture of arafed dog", "a picture of"), "a picture of dog");
    EXPECT_EQ(tidy("a dog"), "a dog");
    EXPECT_EQ(tidy("there is"), "there is");  // no caption becomes empty
    EXPECT_EQ(tidy(""), "");
}

}  // namespace
}  // namespace keepsake::testing
