// Sessions through the real program: stopped, killed, gone on from.
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/editor/session/session_runs.h"

namespace keepsake::testing {
namespace {

using nlohmann::json;

TEST_F(SessionRuns, KilledAtAnyMomentGoesOnToTheSameWeights) {
    ASSERT_EQ(run_program(edit(whole)).status, 0);
    std::mt19937 random(std::random_device{}());
    int kills = 0;
    for (const char* stage_file : {"photo.png", "checkpoint.safetensors", "checkpoint.safetensors",
                                   "embeddings.safetensors", "checkpoint.safetensors"}) {
        const int delay = std::uniform_int_distribution<int>(0, 250)(random);
        SCOPED_TRACE(std::string(stage_file) + " + " + std::to_string(delay) + " ms");
        Program program(edit(broken));
        if (wait_for(program, broken / stage_file, delay)) {
            program.signal(SIGKILL);
            ++kills;
        }
        program.wait();
        expect_complete(broken);
    }
    EXPECT_GE(kills, 2) << "the program was too quick to be killed";
    const ProgramRun last = run_program(edit(broken));
    ASSERT_EQ(last.status, 0) << last.err;
    expect_same_result(broken, whole);
    for (const auto& entry : fs::directory_iterator(broken)) {
        EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
    }
}

TEST_F(SessionRuns, CtrlCSavesAndTheSameCommandGoesOn) {
    ASSERT_EQ(run_program(edit(whole)).status, 0);
    // Without any timed checkpoint: what is there afterwards was saved because of Ctrl-C.
    const std::vector<std::string> rarely = {"--checkpoint-seconds", "3600"};
    std::vector<std::string> loud = edit(broken, rarely);
    loud.erase(std::find(loud.begin(), loud.end(), "--quiet"));
    std::int64_t steps = 0;
    for (const char* progress : {"embedding: 2 of", "finetune: 2 of"}) {
        SCOPED_TRACE(progress);
        Program program(loud);
        ASSERT_TRUE(program.wait_for_error_text(progress));
        program.signal(SIGINT);
        std::this_thread::sleep_for(std::chrono::milliseconds(60));
        program.signal(SIGINT);
        const ProgramRun run = program.wait();
        ASSERT_EQ(run.status, 130) << run.err;
        EXPECT_EQ(run.error_lines().back(), "keepsake: stopped: the session " + broken.string() +
                                                " is saved; the same command goes on from there");
        ASSERT_TRUE(fs::exists(broken / "checkpoint.safetensors"));
        expect_complete(broken);
        const pipeline::SafetensorsFile file(broken / "checkpoint.safetensors");
        steps += std::stoll(file.metadata().at(file.metadata().at("stage") + "_steps"));
    }
    EXPECT_GE(steps, 4);
    EXPECT_LT(steps, embedding_steps + finetune_steps);
    ASSERT_EQ(run_program(edit(broken, rarely)).status, 0);
    expect_same_result(broken, whole);
}

TEST_F(SessionRuns, ReopenedDoesOnlyWhatIsMissing) {
    ASSERT_EQ(run_program(edit(whole)).status, 0);
    const auto tuned = fs::last_write_time(whole / "lora.safetensors");
    const auto reopened = [&](const std::vector<std::string>& more) {
        const ProgramRun run = run_program(edit(whole, more));
        EXPECT_EQ(run.status, 0) << run.err;
        EXPECT_EQ(fs::last_write_time(whole / "lora.safetensors"), tuned);
        return run;
    };
    // Sampling differs: a render. Tuning options that are not given are the session's own.
    const ProgramRun run = reopened({"--json", "--steps", "3", "--seed", "4"});
    const json line = json::parse(run.out);
    EXPECT_EQ(line["seconds"]["embedding"], 0);
    EXPECT_EQ(line["seconds"]["finetune"], 0);
    EXPECT_EQ(json::parse(read_file(whole / "recipe.json"))["keepsake"]["sample"]["steps"], 3);
    const ProgramRun plain = run_program({"edit", photo.string(), "a red rose", "--session",
                                          whole.string(), "--steps", "2", "--eta", "1", "--quiet"});
    EXPECT_EQ(plain.status, 0) << plain.err;
    EXPECT_TRUE(fs::exists(whole / "renders/photo-eta1.00-seed0.png"));
    EXPECT_EQ(fs::last_write_time(whole / "lora.safetensors"), tuned);
}

TEST_F(SessionRuns, AnotherTuningIsRefusedUntilRestart) {
    ASSERT_EQ(run_program(edit(whole)).status, 0);
    const std::string unet = read_file(whole / "lora.safetensors");
    const auto refused = [&](std::vector<std::string> arguments, const std::string& part) {
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, 1);
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
        EXPECT_NE(run.err.find("--restart"), std::string::npos) << run.err;
        EXPECT_TRUE(read_file(whole / "lora.safetensors") == unet);
    };
    std::vector<std::string> other = edit(whole);
    other[2] = "a blue rose";
    refused(other, "the text (the session has \"a red rose\")");
    refused(edit(whole, {"--embedding-steps", "5"}), "embedding steps 5 (the session has 12)");
    refused(edit(whole, {"--tuning-seed", "9"}), "tuning seed 9 (the session has 0)");
    refused(edit(whole, {"--crop", "0,0,32,32"}), "the crop (the session has 0,0,64,64)");
    save_photo(folder.path / "other.png", quarters(64, 70));
    other = edit(whole);
    other[1] = (folder.path / "other.png").string();
    refused(other, "the photo");

    const ProgramRun restarted =
        run_program(edit(whole, {"--restart", "--embedding-steps", "1", "--finetune-steps", "1"}));
    EXPECT_EQ(restarted.status, 0) << restarted.err;
    EXPECT_FALSE(read_file(whole / "lora.safetensors") == unet);
}

TEST_F(SessionRuns, OneProgramAtATime) {
    ASSERT_EQ(run_program(edit(whole, {"--embedding-steps", "1", "--finetune-steps", "1"})).status,
              0);
    const editor::SessionLock lock(whole, editor::SessionLock::Access::write);
    const ProgramRun run = run_program(edit(whole));
    EXPECT_EQ(run.status, 1);
    ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
    EXPECT_NE(run.err.find("is in use by another keepsake"), std::string::npos) << run.err;
}

TEST_F(SessionRuns, RenderNeverTrains) {
    Program program(edit(broken));
    ASSERT_TRUE(wait_for(program, broken / "checkpoint.safetensors", 0));
    program.signal(SIGKILL);
    program.wait();
    const std::string checkpoint = read_file(broken / "checkpoint.safetensors");
    const ProgramRun run = run_program({"render", broken.string()});
    EXPECT_EQ(run.status, 1);
    ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
    EXPECT_NE(run.err.find("its tuning is not finished"), std::string::npos) << run.err;
    EXPECT_TRUE(read_file(broken / "checkpoint.safetensors") == checkpoint);
    const ProgramRun info = run_program({"info", broken.string()});
    EXPECT_EQ(info.status, 0) << info.err;
    EXPECT_NE(info.out.find("target text: a red rose\n"), std::string::npos) << info.out;
    EXPECT_NE(info.out.find(" done\nfinetune: 6 steps at 0.0001, not begun\n"), std::string::npos)
        << info.out;
}

TEST_F(SessionRuns, CtrlCStopsTheAutomaticMask) {
    ASSERT_EQ(run_program(edit(whole, {"--embedding-steps", "1", "--finetune-steps", "1"})).status,
              0);
    Program program({"render", whole.string(), "--eta", "1", "--mask", "auto", "--threads", "1"});
    ASSERT_TRUE(program.wait_for_error_text("mask: "));
    program.signal(SIGINT);
    EXPECT_EQ(program.wait().status, 130);
    EXPECT_FALSE(fs::exists(whole / "renders/photo-eta1.00-seed0.png"));
}

}  // namespace
}  // namespace keepsake::testing
