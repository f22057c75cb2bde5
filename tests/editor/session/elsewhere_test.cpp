// `keepsake edit --as-word`: the files for other programs. That diffusers draws the same picture
// with them is tests/bench/word_in_diffusers.py.
#include "editor/session/elsewhere_files.h"

#include <gtest/gtest.h>

#include "pipeline/files/atomic_file.h"
#include "pipeline/model/generate.h"
#include "pipeline/networks/word_file.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class AsWord : public ::testing::Test {
  protected:
    AsWord() { save_photo(photo, quarters(64, 64)); }
    std::vector<std::string> edit(const std::vector<std::string>& more = {}) const {
        return joined({"edit",
                       photo.string(),
                       "a red rose",
                       "--as-word",
                       "kept-photo",
                       "--size",
                       "64",
                       "--embedding-steps",
                       "6",
                       "--finetune-steps",
                       "4",
                       "--session",
                       session.string(),
                       "--eta",
                       "0.5",
                       "--out",
                       (folder.path / "out").string(),
                       "--steps",
                       "2",
                       "--quiet"},
                      more);
    }
    const TemporaryFolder folder;
    const fs::path photo = folder.path / "photo.png", session = folder.path / "rose.keepsake";
    const fs::path elsewhere = session / "elsewhere";
};

TEST_F(AsWord, TheFilesGiveTheEmbeddingsThatTheSessionHas) {
    const ProgramRun run = run_program(edit());
    ASSERT_EQ(run.status, 0) << run.err;
    const auto embeddings = pipeline::read_safetensors(session / "embeddings.safetensors");
    pipeline::WordFile file = pipeline::read_word_file(elsewhere / "kept-photo.safetensors");
    ASSERT_EQ(file.words.size(), 1u);
    EXPECT_EQ(file.words[0].name, "kept-photo");
    const pipeline::Model model = pipeline::with_words(pipeline::load_model(flowers), file.words);
    EXPECT_TRUE(at::equal(pipeline::encode_text(model, "kept-photo"), embeddings.at("optimised")));
    EXPECT_FALSE(at::equal(embeddings.at("target"), embeddings.at("optimised")));
    EXPECT_EQ(pipeline::load_loras(elsewhere / "kept-photo-lora.safetensors", model.unet).size(),
              pipeline::lora_layers(model.unet).size());
    const std::string usage = read_file(elsewhere / "how-to-use.txt");
    for (const char* part : {"\"a red rose\"", "\"kept-photo.safetensors\"", "ConditioningAverage",
                             "[kept-photo:a red rose:0.4] <lora:kept-photo-lora:1>"})
        EXPECT_NE(usage.find(part), std::string::npos) << part;
}

TEST_F(AsWord, ComesBackAfterAKillAndGoesWithARestart) {
    ASSERT_EQ(run_program(edit()).status, 0);
    const std::string word = read_file(elsewhere / "kept-photo.safetensors");
    fs::remove_all(elsewhere);  // as if it had been killed before they were written
    ASSERT_EQ(run_program(edit()).status, 0);
    EXPECT_TRUE(read_file(elsewhere / "kept-photo.safetensors") == word);
    // Stopped in the middle of the stage that learns the word.
    const fs::path other = folder.path / "other.keepsake";
    std::vector<std::string> loud = edit({"--session", other.string()});
    loud.erase(std::ranges::find(loud, "--quiet"));
    Program program(loud);
    ASSERT_TRUE(program.wait_for_error_text("embedding: 2 of"));
    program.signal(SIGINT);
    program.wait();
    ASSERT_EQ(run_program(loud).status, 0);
    EXPECT_TRUE(read_file(other / "elsewhere/kept-photo.safetensors") == word);
    // Tuned anew without a word, the session has nothing for elsewhere.
    std::vector<std::string> anew = edit({"--restart"});
    anew.erase(anew.begin() + 3, anew.begin() + 5);
    ASSERT_EQ(run_program(anew).status, 0);
    EXPECT_FALSE(fs::exists(elsewhere));
}

TEST_F(AsWord, RefusesWhatCannotBeAWordElsewhere) {
    const auto refused = [&](const std::vector<std::string>& more, const std::string& part) {
        const ProgramRun run = run_program(edit(more));
        EXPECT_EQ(run.status, 1);
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
        EXPECT_FALSE(fs::exists(session / "recipe.json"));
    };
    refused({"--as-word", "Kept Photo"}, "'Kept Photo' is no name of a file in every program");
    refused({"--as-word", "../kept"}, "'../kept' is no name of a file in every program");
    refused({"--as-word", "rose"}, "rose");
    refused({"--rank", "0"}, "needs a LoRA");
    refused({"--mode", "quick", "--embedding-steps", "0", "--finetune-steps", "0"},
            "needs a mode that learns");
    ASSERT_EQ(run_program(edit()).status, 0);
    const ProgramRun other = run_program(edit({"--as-word", "another-word"}));
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.err.find("word another-word (the session has kept-photo)"), std::string::npos)
        << other.err;
}

}  // namespace
}  // namespace keepsake::testing
