// A second text's tuning takes over what is known of the first's.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class StartLosses : public ::testing::Test {
  protected:
    StartLosses() {
        save_photo(photo, quarters(96, 64));
        first = edited("a red rose", "first", {"--embedding-steps", "2", "--finetune-steps", "4"});
    }
    // The losses of a fast edit of few steps.
    json edited(const std::string& text, const std::string& session,
                const std::vector<std::string>& more) const {
        std::vector<std::string> arguments = {"edit",
                                              photo.string(),
                                              text,
                                              "--session",
                                              (folder.path / session).string(),
                                              "--out",
                                              (folder.path / (session + ".png")).string(),
                                              "--size",
                                              "64",
                                              "--finetune-lr",
                                              "1e-2",
                                              "--steps",
                                              "2",
                                              "--way",
                                              "line",
                                              "--eta",
                                              "1",
                                              "--threads",
                                              "1",
                                              "--quiet",
                                              "--json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, 0) << run.err;
        return run.status == 0 ? json::parse(run.out).at("loss") : json();
    }
    std::string of(const char* name) const { return (folder.path / name).string(); }

    const TemporaryFolder folder;
    const fs::path photo = folder.path / "photo.png";
    json first;
};

TEST_F(StartLosses, WhereTheFirstEndedTheSecondBegins) {
    const json second = edited("a yellow rose", "second", {"--from", of("first")});
    EXPECT_EQ(second.at("embedding").at("before"), first.at("finetune").at("after"));
    EXPECT_NE(second.at("finetune").at("after"), first.at("finetune").at("after"));
    // It is what would be found: that of a session that has no notes of it.
    fs::remove(folder.path / "first" / "losses.json");
    const json found = edited("a yellow rose", "found", {"--from", of("first")});
    EXPECT_NEAR(found.at("embedding").at("before").get<double>(),
                second.at("embedding").at("before").get<double>(), 1e-5);
    EXPECT_FALSE(fs::exists(folder.path / "found" / "start-losses.json"));
}

}  // namespace
}  // namespace keepsake::testing
