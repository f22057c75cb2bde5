// `keepsake learn word` through the real program, on the bundled model at its smallest.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "pipeline/files/atomic_file.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/networks/word_file.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class LearnWord : public ::testing::Test {
  protected:
    LearnWord() {
        fs::create_directory(photos);
        for (int i = 0; i < 3; ++i)
            save_photo(photos / ("photo" + std::to_string(i) + ".png"), quarters(80 + 8 * i, 64));
    }

    Arguments word(const Arguments& more = {}, const std::string& name = "<My-Rose>") const {
        return joined(
            {"learn", "word", photos.string(), "--token", name, "--tune", "4", "--batch", "1",
             "--size", "64", "--every", "0", "--threads", "1", "--out", out.string(), "--quiet"},
            more);
    }
    void expect_refused(const Arguments& arguments, int status, const std::string& part) const {
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, status) << run.err;
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
        EXPECT_FALSE(fs::exists(out / "run.json"));
    }

    const TemporaryFolder folder;
    const fs::path photos = folder.path / "photos", out = folder.path / "run";
    const fs::path file = out / "my-rose.safetensors";
    const fs::path by_stem = out / "a1111" / "<my-rose>.safetensors";
};

TEST_F(LearnWord, BecomesFilesThatNeighboursRead) {
    const ProgramRun run = run_program(word({"--init", "red rose", "--every", "2", "--json"}));
    ASSERT_EQ(run.status, 0) << run.err;
    const auto line = nlohmann::json::parse(run.out);
    EXPECT_EQ(line.at("file"), file.string());
    EXPECT_EQ(line.at("by_stem"), by_stem.string());
    EXPECT_EQ(line.at("steps"), 4);
    const pipeline::SafetensorsFile found(file);
    EXPECT_EQ(found.tensors().size(), 1u);
    EXPECT_EQ(found.tensors().at("<my-rose>").shape, (std::vector<std::int64_t>{2, 192}));
    EXPECT_EQ(found.metadata().at("format"), "pt");
    EXPECT_EQ(found.metadata().at("modelspec.trigger_phrase"), "<my-rose>");
    EXPECT_EQ(found.metadata().at("modelspec.prediction_type"), "v");
    EXPECT_EQ(found.metadata().count("ss_network_module"), 0u);
    const auto read = pipeline::read_word_file(by_stem);
    EXPECT_EQ(read.words.at(0).name, "<my-rose>");
    EXPECT_TRUE(at::equal(read.words[0].vectors, found.read("<my-rose>", at::kFloat)));
    EXPECT_FALSE(at::equal(read.words[0].vectors[0], read.words[0].vectors[1]));
    for (const char* name : {"checkpoints/my-rose-step000002.safetensors",
                             "samples/step-000000-1.png", "samples/step-000004-4.png"})
        EXPECT_TRUE(fs::exists(out / name)) << name;
    const ProgramRun info = run_program({"info", file.string()});
    EXPECT_NE(info.out.find("word '<my-rose>': 2 vectors of width 192"), std::string::npos)
        << info.out;
    // Once more: nothing is left to do, and the same file comes of it.
    const std::string before = read_file(file);
    EXPECT_EQ(run_program(word({"--init", "red rose", "--every", "2"})).status, 0);
    EXPECT_TRUE(before == read_file(file));
    // Another start is another run.
    const ProgramRun other = run_program(word({"--init", "blue rose", "--every", "2"}));
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.err.find("init"), std::string::npos) << other.err;
}

TEST_F(LearnWord, AKilledRunGoesOnWithTheSameNumbers) {
    const fs::path whole = folder.path / "whole";
    Arguments other = word({"--tune", "60"});
    other.insert(other.end(), {"--out", whole.string()});
    ASSERT_EQ(run_program(other).status, 0);
    {
        Program program(word({"--tune", "60"}));
        std::this_thread::sleep_for(std::chrono::milliseconds(1200));
        program.signal(SIGINT);
        const ProgramRun stopped = program.wait();
        // Before it listens, a signal ends it at once.
        EXPECT_TRUE(stopped.status == 130 || stopped.status == 0 || stopped.status == -SIGINT)
            << stopped.status << stopped.err;
    }
    {
        Program program(word({"--tune", "60"}));
        std::this_thread::sleep_for(std::chrono::milliseconds(800));
        program.signal(SIGKILL);
        program.wait();
    }
    ASSERT_EQ(run_program(word({"--tune", "60"})).status, 0);
    EXPECT_TRUE(read_file(whole / "my-rose.safetensors") == read_file(file));
}

TEST_F(LearnWord, CheckSaysWhatWouldBeLearned) {
    write_bytes(photos / "photo0.txt", "two <MY-ROSE> on a table");
    write_bytes(photos / "photo1.txt", "a table");
    write_bytes(folder.path / "texts.txt", "# two\na photo of {}\r\n[name] at night\n");
    const ProgramRun run = run_program(word({"--check", "--vectors", "3", "--init", "red rose",
                                             "--templates", (folder.path / "texts.txt").string()}));
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.err.find("1 caption does not have '<my-rose>' in it"), std::string::npos)
        << run.err;
    EXPECT_NE(run.out.find("captions: 2 of 3 have none: 2 templates, \"a photo of <my-rose>\"\n"),
              std::string::npos)
        << run.out;
    EXPECT_NE(run.out.find("learns: 576 numbers (3 vectors of '<my-rose>', from \"red rose\")\n"),
              std::string::npos)
        << run.out;
    EXPECT_FALSE(fs::exists(out));
}

TEST_F(LearnWord, WrongUsageAndBadInputAreOneLine) {
    expect_refused({"learn", "word", photos.string()}, 2, "--token is required");
    expect_refused(word({}, " "), 2, "--token: is empty");
    expect_refused(word({"--vectors", "80"}), 2, "--vectors: 80 is not between 1 and 75");
    expect_refused(word({"--norm", "x"}), 2, "--norm: 'x' is none of start, table, free");
    expect_refused(word({"--rank", "4"}), 2, "--rank");
    expect_refused(word({}, "Rose"), 1,
                   "word 'rose': is in the model's vocabulary, and texts with it would mean "
                   "something else; '<rose>' is free");
    expect_refused(word({}, "sks"), 1, "word 'sks': is in the model's vocabulary");
    expect_refused(word({"--vectors", "73"}), 1,
                   "--vectors: 73 in \"a photo of a <my-rose>\" are more than the 77 tokens");
    std::string long_init;
    for (int i = 0; i < 80; ++i) long_init += "rose ";
    expect_refused(word({"--init", long_init}), 1, "has 80 vectors; a text has room for 1 to 75");
    write_bytes(folder.path / "texts.txt", "a photo\n");
    expect_refused(word({"--templates", (folder.path / "texts.txt").string()}), 1,
                   "template 'a photo': has no {}");
    expect_refused(word({"--templates", (folder.path / "gone.txt").string()}), 1, "gone.txt");
    fs::remove_all(photos);
    expect_refused(word(), 1, "photos: is not there");
    fs::create_directory(photos);
    expect_refused(word(), 1, "photos: ");
}

}  // namespace
}  // namespace keepsake::testing
