// --embedding as a script calls it: words of textual inversion in every text.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "editor/photo/image_file.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/model/model.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using pipeline::LearnedWord;
using pipeline::WordLayout;

at::Tensor vectors(double seed, std::int64_t n) {
    return at::sin(at::arange(n * 192, at::kFloat).reshape({n, 192}) * seed) * 0.02;
}

class Embedding : public ::testing::Test {
  protected:
    Embedding() {
        fs::create_directories(folder.path / "embeddings");
        save_photo(folder.path / "photo.png", quarters(96, 64));
        write_word_file(folder.path / "rose.safetensors", {"<my-rose>", vectors(1.1, 2)},
                        WordLayout::by_tensor);
        write_word_file(folder.path / "other.safetensors", {"<my-rose>", vectors(2.3, 2)},
                        WordLayout::by_tensor);
        write_word_file(folder.path / "embeddings/easyneg.safetensors",
                        {"easyneg", vectors(1.7, 1)}, WordLayout::by_stem);
    }
    ProgramRun run(const Arguments& arguments) const {
        return run_program(arguments, {.environment = {{"KEEPSAKE_FILES", folder.path.string()}},
                                       .folder = folder.path});
    }
    std::string picture(const std::string& prompt, const Arguments& more) const {
        const ProgramRun done = run(joined({"generate", prompt, "--steps", "2", "--sampler", "ddim",
                                            "--size", "64", "--out", "a.png"},
                                           more));
        EXPECT_EQ(done.status, 0) << done.err;
        return pixel_hash(folder.path / "a.png");
    }
    Arguments edit(const std::string& text, const Arguments& more) const {
        return joined({"edit", "photo.png", text, "--embedding-steps", "2", "--finetune-steps", "2",
                       "--size", "64", "--steps", "2", "--eta", "0.5", "--out", "out.png",
                       "--session", "s", "--threads", "1"},
                      more);
    }
    void expect_refused(const Arguments& arguments, int status, const std::string& part) const {
        const ProgramRun done = run(arguments);
        EXPECT_EQ(done.status, status) << done.err;
        ASSERT_GE(done.error_lines().size(), 1u);
        EXPECT_NE(done.err.find(part), std::string::npos) << done.err;
    }

    const TemporaryFolder folder;
};

TEST_F(Embedding, WordsInGenerate) {
    const std::string text = "a photo of <my-rose>";
    const std::string plain = picture(text, {});
    const std::string with = picture(text, {"--embedding", "rose.safetensors"});
    EXPECT_NE(with, plain);
    EXPECT_EQ(picture("a photo of <MY-Rose>", {"--embedding", "rose.safetensors"}), with);
    EXPECT_EQ(picture("a photo of <x>", {"--embedding", "rose.safetensors:<x>"}), with);
    EXPECT_EQ(picture(text, {"--embedding", "easyneg,rose.safetensors"}), with);
    EXPECT_EQ(picture(text, {"--embedding", "rose.safetensors", "--prompt-syntax", "a1111"}), with);
    // By its name from the web interface's folder, and in the negative text.
    const std::string negative =
        picture("a rose", {"--embedding", "easyneg", "--negative", "easyneg"});
    EXPECT_NE(negative, picture("a rose", {"--negative", "easyneg"}));
    // The picture says which words it was drawn with.
    picture(text, {"--embedding", "rose.safetensors", "--embedding", "easyneg"});
    const auto recipe = nlohmann::json::parse(*editor::read_image_recipe(folder.path / "a.png"));
    const auto& words = recipe.at("generate").at("words");
    ASSERT_EQ(words.size(), 1u);
    EXPECT_EQ(words[0].at("name"), "<my-rose>");
    EXPECT_EQ(words[0].at("fingerprint"),
              pipeline::fingerprint_of_word({"<my-rose>", vectors(1.1, 2)}));
    const ProgramRun unused = run({"generate", "a rose", "--embedding", "rose.safetensors",
                                   "--steps", "1", "--size", "64", "--out", "b.png"});
    EXPECT_NE(unused.err.find("rose.safetensors: '<my-rose>' stands in no text"), std::string::npos)
        << unused.err;
    const ProgramRun ids = run({"tokenize", "a <my-rose>", "--embedding", "rose.safetensors"});
    EXPECT_EQ(ids.out, "49406 320 49408 49409 49407\n");
}

TEST_F(Embedding, ASessionKeepsItsWords) {
    const std::string text = "a photo of <my-rose>";
    ProgramRun made = run(edit(text, {"--embedding", "rose.safetensors"}));
    ASSERT_EQ(made.status, 0) << made.err;
    const std::string drawn = pixel_hash(folder.path / "out.png");
    fs::remove(folder.path / "rose.safetensors");
    // From the session alone, by render and by the same edit again.
    made = run({"render", "s", "--eta", "0.5", "--out", "again.png", "--threads", "1"});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_EQ(pixel_hash(folder.path / "again.png"), drawn);
    made = run(edit(text, {}));
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_EQ(pixel_hash(folder.path / "out.png"), drawn);
    EXPECT_NE(run({"info", "s"}).out.find("words: <my-rose> (fingerprint "), std::string::npos);
    // Another meaning of the word is another tuning.
    expect_refused(edit(text, {"--embedding", "other.safetensors"}), 1,
                   "its '<my-rose>' is not that of session s");
    // A word of the negative text comes to the session's own.
    made = run(edit(text, {"--embedding", "easyneg", "--negative", "easyneg", "--guidance", "2"}));
    ASSERT_EQ(made.status, 0) << made.err;
    fs::remove_all(folder.path / "embeddings");
    made = run({"render", "s", "--eta", "0.5", "--out", "again.png", "--threads", "1"});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_EQ(pixel_hash(folder.path / "again.png"), pixel_hash(folder.path / "out.png"));
    // Damaged, and gone.
    const std::string bytes = read_file(folder.path / "s/words.safetensors");
    write_bytes(folder.path / "s/words.safetensors", bytes.substr(0, bytes.size() - 4) + "abcd");
    expect_refused({"render", "s", "--eta", "0.5"}, 1, "words.safetensors");
    fs::remove(folder.path / "s/words.safetensors");
    expect_refused({"render", "s", "--eta", "0.5"}, 1, "words.safetensors");
}

TEST_F(Embedding, TunedAsPlainTextIsAnotherMeaning) {
    const std::string text = "a photo of <my-rose>";
    ASSERT_EQ(run(edit(text, {})).status, 0);
    EXPECT_FALSE(fs::exists(folder.path / "s/words.safetensors"));
    expect_refused(edit(text, {"--embedding", "rose.safetensors"}), 1,
                   "was tuned with '<my-rose>' as plain text");
    ASSERT_EQ(run(edit(text, {"--embedding", "rose.safetensors", "--restart"})).status, 0);
    EXPECT_TRUE(fs::exists(folder.path / "s/words.safetensors"));
}

TEST_F(Embedding, WhatIsNoWordOfThisModelIsToldByName) {
    const auto generate = [](const std::string& file) {
        return Arguments{"generate", "x", "--embedding", file, "--out", "b.png"};
    };
    expect_refused(generate("nowhere.safetensors"), 1, "nowhere.safetensors");
    expect_refused(generate(""), 2, "--embedding: '' has no file in it");
    expect_refused(generate("rose.safetensors,,easyneg"), 2, "has no file in it");
    expect_refused(generate("rose.safetensors:"), 2, "--embedding: is empty");
    expect_refused(generate("rose.safetensors:rose"), 1,
                   "word 'rose': is in the model's vocabulary, and texts with it would mean "
                   "something else; '<rose>' is free");
    expect_refused(generate("rose.safetensors,other.safetensors"), 1,
                   "other.safetensors: its '<my-rose>' is not that of rose.safetensors");
    write_word_file(folder.path / "wide.safetensors", {"<w>", at::zeros({1, 768}) + 1},
                    WordLayout::by_tensor);
    expect_refused(generate("wide.safetensors"), 1,
                   "wide.safetensors: '<w>' is for Stable Diffusion 1.x; this model has text of "
                   "width 192");
    pipeline::write_safetensors(folder.path / "xl.safetensors", {{"clip_l", at::zeros({1, 768})},
                                                                 {"clip_g", at::zeros({1, 1280})}});
    expect_refused(generate("xl.safetensors"), 1, "xl.safetensors: is a word for SDXL");
    write_bytes(folder.path / "old.pt", std::string("PK\x03\x04") + std::string(40, 'x'));
    expect_refused(generate("old.pt"), 1, "old.pt: is a pickle");
    EXPECT_FALSE(fs::exists(folder.path / "b.png"));
}

}  // namespace
}  // namespace keepsake::testing
