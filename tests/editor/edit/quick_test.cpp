// The quick mode: an edit of which nothing is learned.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "editor/photo/image_file.h"
#include "editor/photo/photo.h"
#include "editor/session/session.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/model/generate.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

double root_mean_square(const editor::Pixels& a, const editor::Pixels& b) {
    EXPECT_EQ(a.rgb.size(), b.rgb.size());
    double sum = 0;
    for (std::size_t i = 0; i < a.rgb.size(); ++i) {
        const double difference = double(a.rgb[i]) - b.rgb[i];
        sum += difference * difference;
    }
    return std::sqrt(sum / double(a.rgb.size()));
}

class Quick : public ::testing::Test {
  protected:
    std::vector<std::string> edit(const std::vector<std::string>& more = {}) const {
        return joined(
            {"edit", photo.string(), "a red daisy", "--mode", "quick", "--session",
             session.string(), "--out", (folder.path / "out").string(), "--no-full", "--quiet"},
            more);
    }
    editor::Pixels picture(const char* name) const {
        return editor::load_photo(folder.path / "out" / name).pixels;
    }

    const fs::path photo = KEEPSAKE_ASSETS "/photos/daisy-19813618946.jpg";
    const TemporaryFolder folder;
    const fs::path session = folder.path / "quick.keepsake";
};

TEST_F(Quick, ThePhotoComesBackAndTheWordsPull) {
    const ProgramRun run = run_program(edit({"--eta", "0:0.8:2", "--json"}));
    ASSERT_EQ(run.status, 0) << run.err;
    const json line = json::parse(run.out.substr(0, run.out.find('\n')));
    EXPECT_EQ(line["seconds"]["embedding"], 0);
    EXPECT_TRUE(line["loss"]["finetune"]["after"].is_null());

    const editor::Photo original = editor::load_photo(photo);
    const editor::Crop crop = editor::load_recipe(session / "recipe.json").crop;
    const editor::Pixels back = picture("daisy-19813618946-eta0.00-seed0.png");
    const editor::Pixels square = editor::working_area(original, crop, {back.width, back.height});
    const editor::Pixels edited = picture("daisy-19813618946-eta0.80-seed0.png");
    // Of the untouched network: closer than any two photos are, and the edit is further away.
    EXPECT_LT(root_mean_square(back, square), 18);
    EXPECT_GT(root_mean_square(edited, square), 1.2 * root_mean_square(back, square));
}

TEST_F(Quick, IsASessionWithoutLearningThatRendersAgain) {
    ASSERT_EQ(run_program(edit({"--eta", "0.5"})).status, 0);
    EXPECT_NE(editor::describe_session(session).find("mode: quick\n"), std::string::npos);
    EXPECT_EQ(editor::describe_session(session).find("steps at"), std::string::npos);
    const pipeline::Model model = pipeline::load_model(flowers);
    const auto embeddings = pipeline::read_safetensors(session / "embeddings.safetensors");
    EXPECT_TRUE(at::equal(embeddings.at("optimised"), pipeline::encode_text(model, "")));
    EXPECT_TRUE(at::equal(embeddings.at("target"), pipeline::encode_text(model, "a red daisy")));
    const std::string first = read_file(folder.path / "out/daisy-19813618946-eta0.50-seed0.png");
    const ProgramRun again = run_program({"render", session.string(), "--eta", "0.5", "--no-full",
                                          "--quiet", "--out", (folder.path / "again").string()});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_TRUE(read_file(folder.path / "again/daisy-19813618946-eta0.50-seed0.png") == first);
}

TEST_F(Quick, TakesNoStepsOfLearningAndIsNoStart) {
    const ProgramRun steps = run_program(edit({"--finetune-steps", "5"}));
    EXPECT_EQ(steps.status, 1);
    EXPECT_NE(steps.err.find("mode quick: learns nothing, so it takes no steps of learning"),
              std::string::npos)
        << steps.err;
    EXPECT_FALSE(fs::exists(session));
    ASSERT_EQ(run_program(edit({"--eta", "0.5"})).status, 0);
    const ProgramRun from =
        run_program({"edit", photo.string(), "a blue daisy", "--from", session.string(),
                     "--session", (folder.path / "second").string(), "--quiet"});
    EXPECT_EQ(from.status, 1);
    EXPECT_NE(from.err.find("only a fast tuning starts from another"), std::string::npos)
        << from.err;
}

}  // namespace
}  // namespace keepsake::testing
