// What people give `keepsake learn` by mistake, and what happens to it on the way: one clear line,
// and nothing lost. Of each of its commands, by the real program on the bundled model.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <random>

#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Command {
    std::string name;
    Arguments words;   // after the pictures
    std::string file;  // what comes of it
};

std::ostream& operator<<(std::ostream& stream, const Command& command) {
    return stream << command.name;
}

class LearnBadInput : public ::testing::TestWithParam<Command> {
  protected:
    LearnBadInput() {
        fs::create_directory(photos);
        for (int i = 0; i < 3; ++i) {
            const std::string stem = "photo" + std::to_string(i);
            save_photo(photos / (stem + ".png"), quarters(80 + 8 * i, 64));
            write_bytes(photos / (stem + ".txt"), "a photo of a <my-rose>");
        }
    }
    Arguments learn(const Arguments& more = {}) const {
        const Arguments small = {"--tune", "8",          "--batch", "1",         "--size",
                                 "64",     "--every",    "0",       "--threads", "1",
                                 "--out",  out.string(), "--quiet"};
        const Arguments command = {"learn", GetParam().name, photos.string()};
        return joined(joined(command, GetParam().words, small), more);
    }
    void expect_one_line(const ProgramRun& run, int status, const std::string& part) const {
        EXPECT_EQ(run.status, status) << run.err;
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
        EXPECT_FALSE(fs::exists(out / "run.json"));
    }

    const TemporaryFolder folder;
    const fs::path photos = folder.path / "photos", out = folder.path / "run";
};

TEST_P(LearnBadInput, NoPictures) {
    for (const char* ending : {".png", ".txt"}) {
        // First captions without pictures, then an empty folder.
        for (const auto& entry : fs::directory_iterator(photos))
            if (entry.path().extension() == ending) fs::remove(entry.path());
        const ProgramRun run = run_program(learn());
        expect_one_line(run, 1, "photos: holds no pictures (JPEG, PNG, WebP or TIFF)");
    }
}

TEST_P(LearnBadInput, OnePictureIsEnough) {
    const Arguments one = {"--check"};
    Arguments words = learn(one);
    words[2] = (photos / "photo0.png").string();
    const ProgramRun run = run_program(words);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("pictures: 1, 1 in a round\n"), std::string::npos) << run.out;
}

TEST_P(LearnBadInput, AFolderThatMayNotBeRead) {
    fs::permissions(photos, fs::perms::none);
    const ProgramRun run = run_program(learn(), {.obey_permissions = true});
    fs::permissions(photos, fs::perms::owner_all);
    expect_one_line(run, 1, "photos: cannot be read: Permission denied");
}

TEST_P(LearnBadInput, AlphaDropoutAndRank) {
    if (GetParam().name == "word") return;  // has no LoRA
    expect_one_line(run_program(learn({"--rank", "0"})), 2, "--rank: 0 is not between 1 and 4096");
    for (const auto& [given, part] : {std::pair("0", "0 is not a positive number"),
                                      {"-1", "-1 is not a positive number"},
                                      {"inf", "inf is not a positive number"},
                                      {"nan", "nan is not a positive number"}})
        expect_one_line(run_program(learn({"--alpha", given})), 2, "--alpha: " + std::string(part));
    for (const auto& [given, part] : {std::pair("1", "1 is not from 0"),
                                      {"-0.1", "-0.1 is not from 0"},
                                      {"nan", "nan is not from 0"}})
        expect_one_line(run_program(learn({"--dropout", given})), 2,
                        "--dropout: " + std::string(part));
}

TEST_P(LearnBadInput, AFullDiskAtACheckpointLosesNothing) {
    ASSERT_EQ(run_program(learn()).status, 0);
    const fs::path checkpoint = out / "checkpoint.safetensors";
    const std::string before = read_file(checkpoint), file = read_file(out / GetParam().file);
    ProgramOptions full;
    full.largest_file = before.size() / 2;
    // Another seed is another run, which begins anew only where it is told so.
    const ProgramRun run = run_program(learn({"--seed", "1", "--restart"}), full);
    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(run.error_lines().size(), 1u) << run.err;
    EXPECT_NE(run.err.find("File too large"), std::string::npos) << run.err;
    ASSERT_EQ(run_program(learn({"--restart"})).status, 0);
    EXPECT_TRUE(read_file(checkpoint) == before);
    EXPECT_TRUE(read_file(out / GetParam().file) == file);
}

// Half of them while it saves, after Ctrl-C.
TEST_P(LearnBadInput, KilledAtTenMomentsItGoesOnWithTheSameNumbers) {
    const Arguments more = {"--tune", "24"};
    const fs::path whole = folder.path / "whole";
    const Clock::time_point begin = Clock::now();
    ASSERT_EQ(run_program(joined(learn(more), {"--out", whole.string()})).status, 0);
    const std::chrono::duration<double> all = Clock::now() - begin;
    std::mt19937 draw(15);
    std::uniform_real_distribution<double> share(0.02, 1);
    for (int i = 0; i < 10; ++i) {
        Program program(learn(more));
        std::this_thread::sleep_for(all * share(draw) * 0.9);
        if (i % 2 == 1) {
            program.signal(SIGINT);
            std::this_thread::sleep_for(std::chrono::milliseconds(draw() % 60));
        }
        program.signal(SIGKILL);
        program.wait();
    }
    const ProgramRun last = run_program(learn(more));
    ASSERT_EQ(last.status, 0) << last.err;
    EXPECT_TRUE(read_file(whole / GetParam().file) == read_file(out / GetParam().file));
}

INSTANTIATE_TEST_SUITE_P(
    Commands, LearnBadInput,
    ::testing::Values(Command{"word", {"--token", "<my-rose>"}, "my-rose.safetensors"},
                      Command{"subject",
                              {"--token", "sks flower", "--class", "flower", "--class-pictures",
                               "2", "--rank", "2", "--dropout", "0.2", "--alpha", "1"},
                              "sks-flower.safetensors"},
                      Command{"captions", {"--name", "look", "--rank", "2"}, "look.safetensors"}),
    [](const ::testing::TestParamInfo<Command>& info) { return info.param.name; });

}  // namespace
}  // namespace keepsake::testing
