// What `keepsake edit --json` says of the words' direction, by a CLIP that lies in the model's
// folder.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "editor/photo/photo.h"
#include "optimize/scratch/clip.h"
#include "pipeline/files/safetensors.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_clip.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using Arguments = std::vector<std::string>;
using nlohmann::json;

class EditDirectionTold : public ::testing::Test {
  protected:
    EditDirectionTold() {
        link_model(model);
        fs::remove_all(clip);
        fs::create_directory(clip);
        write_bytes(clip / "config.json", tiny_clip().dump());
        const auto network = optimize::fresh_clip(pipeline::ClipConfig::from_json(tiny_clip()), 3);
        pipeline::write_safetensors(clip / "model.safetensors", network.parameters());
        for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
            fs::copy_file(flowers / "tokenizer" / name, clip / name);
        write_bytes(clip / "keepsake.json", R"({"exchanged": [["red", "blue"]]})");
        save_photo(photo, quarters(64, 64));
    }
    // Nothing is learned. The model's own pictures, of the very square that the photo is.
    std::vector<json> edited(const std::string& text, const std::string& session) const {
        const ProgramRun run =
            run_program({"edit",      photo.string(),
                         text,        "--mode",
                         "quick",     "--size",
                         "64",        "--steps",
                         "2",         "--eta",
                         "0.5:1:2",   "--no-full",
                         "--json",    "--quiet",
                         "--threads", "1",
                         "--session", (folder.path / session).string(),
                         "--out",     (folder.path / (session + ".out")).string()},
                        {.environment = {{"KEEPSAKE_MODEL", model.string()}}});
        EXPECT_EQ(run.status, 0) << run.err;
        return json_lines(run.out);
    }
    const TemporaryFolder folder;
    const fs::path model = folder.path / "model", clip = model / "clip",
                   photo = folder.path / "photo.png";
};

TEST_F(EditDirectionTold, EachPictureHasWhatScoreSays) {
    const std::vector<json> lines = edited("a red rose", "one.keepsake");
    ASSERT_EQ(lines.size(), 2u);
    for (const json& line : lines) {
        EXPECT_EQ(line.at("clip").at("model"), "model/clip");
        EXPECT_EQ(line.at("clip").at("source"), "a blue rose");
        const ProgramRun scored =
            run_program({"score", photo.string(), "a red rose", "--source", "a blue rose", "--edit",
                         line.at("file"), "--clip", clip.string(), "--json", "--threads", "1"});
        ASSERT_EQ(scored.status, 0) << scored.err;
        EXPECT_NEAR(line.at("directional_similarity"),
                    json::parse(scored.out).at("directional_similarity"), 1e-5);
    }
    EXPECT_NE(lines[0].at("directional_similarity"), lines[1].at("directional_similarity"));
}

TEST_F(EditDirectionTold, NothingIsSaidOfWordsThatTheClipDoesNotKnow) {
    for (const json& line : edited("a green bowl", "two.keepsake")) {
        EXPECT_FALSE(line.contains("directional_similarity"));
        EXPECT_FALSE(line.contains("clip"));
    }
}

}  // namespace
}  // namespace keepsake::testing
