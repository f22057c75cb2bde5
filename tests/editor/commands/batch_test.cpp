// keepsake batch as a script calls it.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "editor/photo/photo.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        EXPECT_TRUE(line.ends_with('\r')) << line;
        lines.push_back(line.substr(0, line.size() - 1));
    }
    return lines;
}

class BatchCommand : public ::testing::Test {
  protected:
    BatchCommand() {
        fs::create_directories(photos);
        save_photo(photos / "a.png", quarters(96, 64));
        save_photo(photos / "b, \"c\".png", quarters(64, 64));
    }
    std::vector<std::string> arguments(const std::vector<std::string>& more) const {
        return joined({"batch",      photos.string(),
                       "a red rose", "--out",
                       out.string(), "--size",
                       "64",         "--eta",
                       "0.5",        "--way",
                       "line",       "--steps",
                       "2",          "--embedding-steps",
                       "2",          "--finetune-steps",
                       "2",          "--sampler",
                       "ddim",       "--threads",
                       "1"},
                      more);
    }
    ProgramRun run(const std::vector<std::string>& more) const {
        return run_program(arguments(more));
    }
    std::vector<std::string> table() const { return lines_of(read_file(out / "results.csv")); }

    const TemporaryFolder folder;
    const fs::path photos = folder.path / "photos", out = folder.path / "out";
};

TEST_F(BatchCommand, OneBadPhotoStopsNothingAndWhatIsDoneIsSkipped) {
    write_file_atomically(photos / "broken.jpg", "no picture");
    write_file_atomically(photos / "notes.txt", "no photo");
    // The left half of b is inside.
    editor::Pixels mask{64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 0)};
    for (std::size_t i = 0; i < 64 * 64 * 3; ++i) mask.rgb[i] = i / 3 % 64 < 32 ? 255 : 0;
    save_photo(photos / "b, \"c\"-mask.png", mask);

    const ProgramRun first = run({"--json", "--quiet", "--embedding-lr", "0.3"});
    EXPECT_EQ(first.status, 1);
    const std::vector<std::string> errors = first.error_lines();
    ASSERT_EQ(errors.size(), 2u) << first.err;
    EXPECT_EQ(errors[0].find("keepsake: warning: " + (photos / "broken.jpg").string() + ": "), 0u)
        << errors[0];
    EXPECT_EQ(errors[1], "keepsake: " + photos.string() +
                             ": 1 of 3 photos failed, the others are done; " +
                             (out / "results.csv").string() + " says why");
    std::vector<json> lines = json_lines(first.out);
    ASSERT_EQ(lines.size(), 3u) << first.out;
    EXPECT_EQ(lines[0]["photo"], (photos / "a.png").string());
    EXPECT_EQ(lines[0]["file"], (out / "a-eta0.50-seed0.png").string());
    EXPECT_EQ(lines[1]["file"], (out / "b, \"c\"-eta0.50-seed0.png").string());
    EXPECT_EQ(lines[2]["done"], 2);
    EXPECT_EQ(lines[2]["skipped"], 0);
    EXPECT_EQ(lines[2]["failed"], 1);
    ASSERT_EQ(lines[2]["sheets"].size(), 1u);
    EXPECT_EQ(lines[2]["sheets"][0], (out / "sheet.png").string());
    EXPECT_GT(editor::load_photo(out / "sheet.png").pixels.width, 4 * 256);

    // The mask of its name, and no other photo's.
    const auto edited = editor::load_photo(out / "b, \"c\"-eta0.50-seed0.png").pixels.rgb;
    const auto before = quarters(64, 64).rgb;
    std::size_t inside = 0, outside = 0;
    for (std::size_t i = 0; i < edited.size(); ++i)
        (i / 3 % 64 < 32 ? inside : outside) += edited[i] != before[i];
    EXPECT_EQ(outside, 0u);
    EXPECT_GT(inside, 500u);

    std::vector<std::string> rows = table();
    ASSERT_EQ(rows.size(), 4u);
    EXPECT_EQ(rows[0].find("photo,status,picture,eta,seed,"), 0u);
    EXPECT_EQ(rows[1].find("a.png,done,a-eta0.50-seed0.png,0.5,0,,,none,"), 0u) << rows[1];
    EXPECT_EQ(rows[2].find("\"b, \"\"c\"\".png\",done,\"b, \"\"c\"\"-eta0.50-seed0.png\",0.5,0,,,"
                           "\"b, \"\"c\"\"-mask.png\","),
              0u)
        << rows[2];
    EXPECT_EQ(rows[3].find("broken.jpg,failed,,"), 0u) << rows[3];

    // The same again: the bad photo alone is tried, and now it is a good one.
    const auto written = fs::last_write_time(out / "a-eta0.50-seed0.png");
    fs::remove(photos / "broken.jpg");
    save_photo(photos / "broken.jpg", quarters(64, 96));
    const ProgramRun second = run({"--json", "--quiet", "--embedding-lr", "0.3"});
    EXPECT_EQ(second.status, 0) << second.err;
    lines = json_lines(second.out);
    ASSERT_EQ(lines.size(), 2u) << second.out;
    EXPECT_EQ(lines[0]["photo"], (photos / "broken.jpg").string());
    EXPECT_EQ(lines[1]["done"], 1);
    EXPECT_EQ(lines[1]["skipped"], 2);
    EXPECT_EQ(fs::last_write_time(out / "a-eta0.50-seed0.png"), written);
    EXPECT_EQ(table()[3].find("broken.jpg,done,broken-eta0.50-seed0.jpg,0.5,0,"), 0u);

    // Other pictures of the same tunings need no learning.
    const ProgramRun seeds = run({"--json", "--embedding-lr", "0.3", "--seed", "4"});
    EXPECT_EQ(seeds.status, 0) << seeds.err;
    EXPECT_EQ(seeds.err.find("finetune"), std::string::npos) << seeds.err;
    EXPECT_NE(seeds.err.find("photo 3 of 3 (broken.jpg)"), std::string::npos) << seeds.err;
    EXPECT_EQ(json_lines(seeds.out).back()["done"], 3);

    // Another text is another batch.
    std::vector<std::string> other = arguments({"--embedding-lr", "0.3"});
    other[2] = "a blue rose";
    const ProgramRun refused = run_program(other);
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.err.find("holds another edit; different: text \"a blue rose\" (it has \"a "
                               "red rose\")"),
              std::string::npos)
        << refused.err;
    other.insert(other.end(), {"--restart", "--shard", "1/3", "--json"});
    const ProgramRun anew = run_program(other);
    EXPECT_EQ(anew.status, 0) << anew.err;
    EXPECT_EQ(json_lines(anew.out).back()["photos"], 1);
}

TEST_F(BatchCommand, GoesOnAfterAStopAndShardsShareATable) {
    const std::vector<std::string> second = {"--single", "--shard", "2/2"};
    ProgramRun half = run(second);
    EXPECT_EQ(half.status, 0) << half.err;
    EXPECT_TRUE(fs::exists(out / "b, \"c\".png"));
    EXPECT_FALSE(fs::exists(out / "a.png"));
    EXPECT_EQ(table()[1].find("a.png,waiting,,"), 0u) << table()[1];

    // Long enough to be stopped under way.
    std::vector<std::string> slow = arguments({"--single", "--shard", "1/2"});
    *(std::ranges::find(slow, "--finetune-steps") + 1) = "4000";
    fs::remove_all(out);
    Program program(slow);
    ASSERT_TRUE(program.wait_for_error_text("embedding: 2 of 2"));
    program.signal(SIGINT);
    const ProgramRun stopped = program.wait();
    EXPECT_EQ(stopped.status, 130);
    EXPECT_NE(stopped.err.find("keepsake: stopped: 0 of 1 photos are done in " + out.string()),
              std::string::npos)
        << stopped.err;
    EXPECT_TRUE(fs::exists(out / "sessions/a.keepsake/checkpoint.safetensors"));
    EXPECT_EQ(table()[1].find("a.png,waiting,,"), 0u) << table()[1];
}

TEST_F(BatchCommand, WrongUsageAndPlaces) {
    for (const char* shard : {"0/2", "3/2", "1", "1/", "/2", "a/b", "1/2/3", "-1/2", "1/0"}) {
        const ProgramRun run = this->run({"--shard", shard});
        EXPECT_EQ(run.status, 2) << shard;
        EXPECT_EQ(run.err.find("keepsake: --shard: "), 0u) << run.err;
    }
    EXPECT_EQ(run({"--single", "--seed", "1,2"}).status, 2);
    EXPECT_EQ(run({"--masks", ""}).status, 2);
    EXPECT_EQ(run({"--masks", photos.string(), "--no-full"}).status, 2);
    const auto failure = [](const std::vector<std::string>& arguments) {
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, 1) << run.err;
        EXPECT_EQ(run.error_lines().size(), 1u) << run.err;
        return run.err;
    };
    const fs::path gone = folder.path / "gone", empty = folder.path / "empty";
    fs::create_directories(empty);
    EXPECT_NE(failure({"batch", gone.string(), "x"}).find(gone.string() + ": cannot be read"),
              std::string::npos);
    EXPECT_NE(failure({"batch", empty.string(), "x"}).find("holds no photo"), std::string::npos);
    EXPECT_NE(failure({"batch", photos.string(), "x", "--out", photos.string()})
                  .find("holds the photos; give another --out"),
              std::string::npos);
    // A model that cannot be loaded concerns all: one line, no photo's.
    EXPECT_NE(
        failure({"batch", photos.string(), "x", "--out", out.string(), "--model", empty.string()})
            .find(empty.string()),
        std::string::npos);
}

}  // namespace
}  // namespace keepsake::testing
