// Sessions through the real program: stopped, killed, gone on from, mixed up.
#include "editor/session/session.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "editor/session/recipe.h"
#include "editor/session/session_region.h"
#include "editor/transfer/brush.h"
#include "editor/workbench/history.h"
#include "editor/workbench/render_cache.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int embedding_steps = 12, finetune_steps = 6;

class SessionRuns : public ::testing::Test {
  protected:
    SessionRuns() { save_photo(photo, quarters(64, 64)); }

    // A tuning of a few seconds that saves after every step.
    std::vector<std::string> edit(const fs::path& session,
                                  const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments = {"edit",
                                              photo.string(),
                                              "a red rose",
                                              "--session",
                                              session.string(),
                                              "--out",
                                              out.string(),
                                              "--size",
                                              "64",
                                              "--embedding-steps",
                                              std::to_string(embedding_steps),
                                              "--finetune-steps",
                                              std::to_string(finetune_steps),
                                              "--finetune-lr",
                                              "1e-4",
                                              "--steps",
                                              "2",
                                              "--sampler",
                                              "ddim",
                                              "--eta",
                                              "1",
                                              "--checkpoint-seconds",
                                              "0",
                                              "--threads",
                                              "1",
                                              "--quiet"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }

    // Whatever was going on: what is there can be opened and read whole.
    void expect_complete(const fs::path& session) {
        if (!editor::is_session(session)) return;
        const auto opened = editor::open_session(session, editor::SessionLock::Access::read);
        EXPECT_EQ(read_file(editor::photo_path(opened)), read_file(photo));
        for (const char* name : {"checkpoint", "embeddings", "unet", "lora"}) {
            const fs::path path = session / (std::string(name) + ".safetensors");
            if (fs::exists(path)) {
                EXPECT_NO_THROW(pipeline::read_safetensors(path)) << path;
            }
        }
        EXPECT_NO_THROW(editor::describe_session(session));
    }

    // Files of the same tuning, byte for byte.
    void expect_same_result(const fs::path& a, const fs::path& b) {
        for (const char* name : {"embeddings.safetensors", "lora.safetensors", "losses.json"}) {
            EXPECT_TRUE(read_file(a / name) == read_file(b / name)) << name << " differs";
        }
        EXPECT_FALSE(fs::exists(a / "checkpoint.safetensors"));
    }

    // Waits for `path`, then some milliseconds more. False when the program ended before.
    static bool wait_for(Program& program, const fs::path& path, int milliseconds) {
        while (!fs::exists(path)) {
            if (!program.running()) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
        return program.running();
    }

    const TemporaryFolder folder;
    const fs::path photo = folder.path / "photo.png";
    const fs::path out = folder.path / "out";
    const fs::path whole = folder.path / "whole.keepsake";
    const fs::path broken = folder.path / "broken.keepsake";
};

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

TEST_F(SessionRuns, AnotherModelIsNamed) {
    ASSERT_EQ(run_program(edit(whole, {"--embedding-steps", "1", "--finetune-steps", "1"})).status,
              0);
    const fs::path model = folder.path / "other-model";
    link_model(model);
    change_weight(model, 0.25);
    for (const auto& arguments :
         {std::vector<std::string>{"render", whole.string(), "--model", model.string()},
          std::vector<std::string>{"edit", photo.string(), "a red rose", "--session",
                                   whole.string(), "--model", model.string()}}) {
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, 1);
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find("was made with another model: "), std::string::npos) << run.err;
        EXPECT_NE(run.err.find(model.string()), std::string::npos) << run.err;
    }
}

TEST_F(SessionRuns, OpensAnywhere) {
    // The session and its model both move; another copy of the same weights stands in.
    const fs::path model = folder.path / "model";
    link_model(model);
    ASSERT_EQ(run_program(edit(whole, {"--model", model.string(), "--embedding-steps", "1",
                                       "--finetune-steps", "1"}))
                  .status,
              0);
    fs::create_directory(folder.path / "elsewhere");
    fs::rename(whole, folder.path / "elsewhere/moved.keepsake");
    fs::remove_all(model);
    const ProgramRun run =
        run_program({"render", (folder.path / "elsewhere/moved.keepsake").string(), "--eta", "0.5",
                     "--steps", "2", "--quiet"});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_TRUE(
        fs::exists(folder.path / "elsewhere/moved.keepsake/renders/photo-eta0.50-seed0.png"));
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

// Starting from the photo's own latents: the first mode's default, and no part of what was learned.
TEST_F(SessionRuns, RendersFromThePhotosLatentsAndFromNoise) {
    const fs::path session = folder.path / "s";
    ASSERT_EQ(run_program(edit(session, {"--steps", "8"})).status, 0);
    const auto share = editor::load_recipe(session / "recipe.json").sample.noise_share;
    EXPECT_LT(share, 1);
    const editor::Pixels square =
        editor::working_area(editor::load_photo(photo), {0, 0, 64, 64}, {64, 64});
    const auto error_with = [&](const std::string& noise_share, const std::string& seed) {
        const fs::path image = folder.path / ("share" + noise_share + "-" + seed + ".png");
        const ProgramRun run =
            run_program({"render", session.string(), "--eta", "0", "--seed", seed, "--noise-share",
                         noise_share, "--no-full", "--quiet", "--out", image.string()});
        EXPECT_EQ(run.status, 0) << run.err;
        const std::vector<std::uint8_t> rgb = editor::load_photo(image).pixels.rgb;
        double sum = 0;
        for (std::size_t i = 0; i < rgb.size(); ++i) sum += std::abs(rgb[i] - square.rgb[i]);
        return sum / static_cast<double>(rgb.size());
    };
    EXPECT_LT(error_with("0", "1"), 0.5 * error_with("1", "1"));
    EXPECT_EQ(error_with("0", "1"), error_with("0", "2")) << "no noise, so no variations";
    EXPECT_NE(error_with("0.5", "1"), error_with("0.5", "2"));
    EXPECT_EQ(run_program({"render", session.string(), "--noise-share", "1.5"}).status, 2);
}

TEST_F(SessionRuns, PaperModeTunesAllWeights) {
    const std::vector<std::string> paper = {"--mode",           "paper", "--embedding-steps", "2",
                                            "--finetune-steps", "2"};
    ASSERT_EQ(run_program(edit(whole, paper)).status, 0);
    EXPECT_TRUE(fs::exists(whole / "unet.safetensors"));
    EXPECT_FALSE(fs::exists(whole / "lora.safetensors"));
    // Without --mode the session's own; another mode is another tuning.
    EXPECT_EQ(
        run_program({"render", whole.string(), "--steps", "2", "--eta", "1", "--quiet"}).status, 0);
    const ProgramRun other = run_program(edit(whole, {"--mode", "fast"}));
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.err.find("the mode (the session has paper)"), std::string::npos) << other.err;
    // Its weights are no LoRA that another text could start from.
    const ProgramRun from = run_program(
        edit(broken, {"--mode", "fast", "--from", whole.string(), "--embedding-steps", "1"}));
    EXPECT_EQ(from.status, 1);
    EXPECT_NE(from.err.find("only a fast tuning starts from another"), std::string::npos)
        << from.err;
    EXPECT_FALSE(fs::exists(broken / "recipe.json"));
}

TEST_F(SessionRuns, ARateThatNothingGivesIsFoundOnceAndKept) {
    const fs::path model = folder.path / "model";  // that says nothing of its rates
    link_model(model);
    fs::remove(model / "keepsake.json");
    const auto found_by_trying = [&](const fs::path& session) {
        std::vector<std::string> arguments = edit(session, {"--model", model.string()});
        const auto rate = std::ranges::find(arguments, "--finetune-lr");
        arguments.erase(rate, rate + 2);
        arguments.erase(std::ranges::find(arguments, "--quiet"));
        return arguments;
    };
    const ProgramRun first = run_program(found_by_trying(whole));
    ASSERT_EQ(first.status, 0) << first.err;
    EXPECT_NE(first.err.find("\nrate: 48 of 48"), std::string::npos) << first.err;
    EXPECT_EQ(editor::load_recipe(whole / "recipe.json").finetune.learning_rate, 0);
    const json losses = json::parse(read_file(whole / "losses.json"));
    const double rate = losses.at("finetune").at("rate").get<double>();
    EXPECT_GT(rate, 0);
    EXPECT_LT(losses.at("finetune").at("after").get<double>(),
              losses.at("finetune").at("before").get<double>());
    std::ostringstream text;
    text << "finetune: 6 steps at " << rate << ", found by trying, done\n";
    EXPECT_NE(editor::describe_session(whole).find(text.str()), std::string::npos)
        << editor::describe_session(whole);

    // Stopped while it learns with the rate, it goes on with it: nothing is tried again.
    Program program(found_by_trying(broken));
    ASSERT_TRUE(program.wait_for_error_text("finetune: 2 of"));
    program.signal(SIGINT);
    ASSERT_EQ(program.wait().status, 130);
    const ProgramRun rest = run_program(found_by_trying(broken));
    ASSERT_EQ(rest.status, 0) << rest.err;
    EXPECT_EQ(rest.err.find("rate: "), std::string::npos) << rest.err;
    expect_same_result(broken, whole);

    // Another text learns more slowly by as much as with a rate that is given.
    std::vector<std::string> second = found_by_trying(folder.path / "second.keepsake");
    second[2] = "a yellow rose";
    second.insert(second.end(), {"--from", whole.string()});
    const ProgramRun again = run_program(second);
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(again.err.find("rate: "), std::string::npos) << again.err;
    const editor::Recipe recipe = editor::load_recipe(folder.path / "second.keepsake/recipe.json");
    EXPECT_DOUBLE_EQ(recipe.finetune.learning_rate, 0.3 * rate);
}

TEST_F(SessionRuns, AnotherTextLearnsMoreSlowlyThanTheRateThatTheModelSays) {
    const fs::path model = folder.path / "model";
    link_model(model);
    fs::remove(model / "keepsake.json");
    write_file_atomically(model / "keepsake.json",
                          R"({"fast": {"finetune": {"learning_rate": 4e-3}}})");
    const auto rate_of = [&](const fs::path& session, const std::vector<std::string>& more) {
        std::vector<std::string> arguments = edit(session, {"--model", model.string()});
        const auto rate = std::ranges::find(arguments, "--finetune-lr");
        arguments.erase(rate, rate + 2);
        arguments.insert(arguments.end(), more.begin(), more.end());
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, 0) << run.err;
        return editor::load_recipe(session / "recipe.json").finetune.learning_rate;
    };
    EXPECT_DOUBLE_EQ(rate_of(whole, {}), 4e-3);
    EXPECT_DOUBLE_EQ(rate_of(broken, {"--from", whole.string()}), 0.3 * 4e-3);
}

TEST_F(SessionRuns, AnotherTextStartsFromWhatTheFirstLearned) {
    const std::vector<std::string> few = {"--embedding-steps", "2",   "--finetune-steps", "4",
                                          "--finetune-lr",     "1e-2"};
    ASSERT_EQ(run_program(edit(whole, few)).status, 0);
    std::vector<std::string> second = edit(broken, {"--from", whole.string(), "--json"});
    second[2] = "a yellow rose";
    const ProgramRun run = run_program(second);
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_TRUE(read_file(broken / "start.safetensors") == read_file(whole / "lora.safetensors"));
    EXPECT_FALSE(read_file(broken / "lora.safetensors") == read_file(whole / "lora.safetensors"));
    const json recipe = json::parse(read_file(broken / "recipe.json"))["keepsake"];
    EXPECT_EQ(recipe["start"], editor::tuning_tag(editor::load_recipe(whole / "recipe.json")));
    // It needs the first session no more.
    fs::remove_all(whole);
    EXPECT_EQ(
        run_program({"render", broken.string(), "--steps", "2", "--eta", "1", "--quiet"}).status,
        0);
    // Another photo cannot start from it.
    save_photo(photo, quarters(64, 96));
    second[4] = (folder.path / "third.keepsake").string();
    second.insert(second.end(), {"--from", broken.string()});
    const ProgramRun other = run_program(second);
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.err.find("cannot be the start: it has another photo"), std::string::npos)
        << other.err;
}

TEST_F(SessionRuns, FilesOfAnotherRecipeAreNotMixed) {
    ASSERT_EQ(run_program(edit(whole, {"--embedding-steps", "1", "--finetune-steps", "1"})).status,
              0);
    std::string recipe = read_file(whole / "recipe.json");
    recipe.replace(recipe.find("a red rose"), 10, "a red boat");
    write_file_atomically(whole / "recipe.json", recipe);
    const ProgramRun run = run_program({"render", whole.string(), "--quiet"});
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("embeddings.safetensors: does not belong to this session's recipe.json"),
              std::string::npos)
        << run.err;
}

// The path is a hint; that it cannot be looked at is no reason.
TEST_F(SessionRuns, AModelInAClosedFolderIsLookedForElsewhere) {
    const fs::path closed = folder.path / "closed";
    link_model(closed / "model");
    ASSERT_EQ(run_program(edit(whole, {"--model", (closed / "model").string(), "--embedding-steps",
                                       "1", "--finetune-steps", "1"}))
                  .status,
              0);
    fs::permissions(closed, fs::perms::none);
    const std::vector<std::string> render = {"render", whole.string(), "--eta", "1", "--steps",
                                             "2",      "--quiet"};
    const ProgramRun run = run_program(render, {.obey_permissions = true});
    EXPECT_EQ(run.status, 0) << run.err;
    std::vector<std::string> with_it = render;
    with_it.insert(with_it.end(), {"--model", (closed / "model").string()});
    const ProgramRun refused = run_program(with_it, {.obey_permissions = true});
    fs::permissions(closed, fs::perms::owner_all);
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(
        refused.err.find((closed / "model").string() + ": cannot be looked at: Permission denied"),
        std::string::npos)
        << refused.err;
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

// What cannot begin replaces nothing.
TEST_F(SessionRuns, RestartLosesNoTuningToOneThatCannotBegin) {
    const std::vector<std::string> few = {"--embedding-steps", "1", "--finetune-steps", "1"};
    ASSERT_EQ(run_program(edit(whole, few)).status, 0);
    std::map<std::string, std::string> before;
    for (const auto& entry : fs::directory_iterator(whole))
        before[entry.path().filename().string()] = read_file(entry.path());
    const auto refused = [&](std::vector<std::string> arguments, const std::string& part,
                             const ProgramOptions& options = {}) {
        arguments.insert(arguments.end(), {"--restart", "--tuning-seed", "5"});
        const ProgramRun run = run_program(arguments, options);
        EXPECT_EQ(run.status, 1);
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
        for (const auto& [name, bytes] : before)
            EXPECT_TRUE(fs::exists(whole / name) && read_file(whole / name) == bytes) << name;
        for (const auto& entry : fs::directory_iterator(whole))
            EXPECT_TRUE(before.contains(entry.path().filename().string())) << entry.path();
    };
    write_bytes(folder.path / "file", "a file");
    refused(edit(whole, {"--out", (folder.path / "file/out").string()}), "cannot be made");
    // A full disk: the photo alone is larger than there is room.
    std::mt19937 random(1);
    editor::Pixels noise = quarters(128, 128);
    for (std::uint8_t& value : noise.rgb) value = static_cast<std::uint8_t>(random());
    save_photo(folder.path / "noise.png", noise);
    std::vector<std::string> large = edit(whole);
    large[1] = (folder.path / "noise.png").string();
    ProgramOptions full_disk;
    full_disk.largest_file = 8 << 10;
    refused(large, "cannot write: File too large", full_disk);
    // What it should start from is damaged.
    ASSERT_EQ(run_program(edit(broken, few)).status, 0);
    fs::resize_file(broken / "lora.safetensors", 1000);
    refused(edit(whole, {"--from", broken.string()}), "lora.safetensors");
    const ProgramRun run = run_program(edit(whole, {"--restart", "--tuning-seed", "5"}));
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_FALSE(read_file(whole / "lora.safetensors") == before["lora.safetensors"]);
}

TEST_F(SessionRuns, AFolderThatIsNoSessionIsNeverEmptied) {
    const fs::path kitchen = folder.path / "kitchen", holidays = folder.path / "holidays";
    fs::create_directory(kitchen);
    fs::create_directory(holidays);
    write_bytes(kitchen / "recipe.json", R"({"name": "pancakes"})");
    for (const fs::path& home : {kitchen, holidays}) write_bytes(home / "photo.jpg", "mine");
    EXPECT_FALSE(editor::is_session(kitchen));
    for (const fs::path& home : {kitchen, holidays}) {
        for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--restart"}}) {
            const ProgramRun run = run_program(edit(home, more));
            EXPECT_EQ(run.status, 1);
            EXPECT_NE(run.err.find("give another --session"), std::string::npos) << run.err;
            EXPECT_EQ(read_file(home / "photo.jpg"), "mine");
        }
    }
    EXPECT_EQ(read_file(kitchen / "recipe.json"), R"({"name": "pancakes"})");
    EXPECT_EQ(std::distance(fs::directory_iterator(kitchen), {}), 2);
    EXPECT_EQ(std::distance(fs::directory_iterator(holidays), {}), 1);
    EXPECT_EQ(run_program({"render", kitchen.string()}).status, 1);
}

TEST_F(SessionRuns, WhatANewerKeepsakeWroteIsToldAndKept) {
    ASSERT_EQ(run_program(edit(whole, {"--embedding-steps", "1", "--finetune-steps", "1"})).status,
              0);
    json recipe = json::parse(read_file(whole / "recipe.json"));
    recipe["version"] = 99;
    recipe["keepsake"]["sample"]["speed"] = 3;
    write_file_atomically(whole / "recipe.json", recipe.dump());
    const std::string text =
        "was written by a newer Keepsake; this one does not know, and keeps: "
        "sample.speed";
    const ProgramRun info = run_program({"info", whole.string()});
    EXPECT_NE(info.out.find(text), std::string::npos) << info.out << info.err;
    const ProgramRun run = run_program({"edit", photo.string(), "a red rose", "--session",
                                        whole.string(), "--steps", "3", "--eta", "1", "--quiet"});
    EXPECT_EQ(run.status, 0);
    EXPECT_NE(run.err.find(text), std::string::npos) << run.err;
    recipe = json::parse(read_file(whole / "recipe.json"));
    EXPECT_EQ(recipe["version"], 99);
    EXPECT_EQ(recipe["keepsake"]["sample"]["speed"], 3);
    EXPECT_EQ(recipe["keepsake"]["sample"]["steps"], 3);
}

// A session from a stranger: nothing that is written in it goes through a link.
TEST_F(SessionRuns, LinksInsideASessionAreNotFollowed) {
    const fs::path victim = folder.path / "victim", victims = folder.path / "victims";
    write_bytes(victim, "mine");
    fs::create_directory(victims);
    ASSERT_EQ(run_program(edit(whole, {"--embedding-steps", "1", "--finetune-steps", "1"})).status,
              0);
    const std::vector<std::string> render = {"render", whole.string(), "--eta", "1", "--seed",
                                             "0",      "--quiet"};
    const auto refused = [&](const std::vector<std::string>& arguments, const fs::path& name,
                             const fs::path& target) {
        const fs::path link = whole / name, kept = folder.path / "kept";
        if (fs::exists(link)) fs::rename(link, kept);
        fs::create_directories(link.parent_path());
        fs::create_symlink(target, link);
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, 1) << name;
        EXPECT_NE(run.err.find(link.string() + ": is a link"), std::string::npos) << run.err;
        EXPECT_TRUE(fs::is_symlink(link)) << name;
        EXPECT_EQ(read_file(victim), "mine") << name;
        EXPECT_TRUE(fs::is_empty(victims)) << name;
        fs::remove(link);
        if (fs::exists(kept)) fs::rename(kept, link);
    };
    refused(render, "lock", victim);
    refused(render, "lock", folder.path / "not there");
    refused(render, "renders", victims);
    refused(render, "renders/photo-eta1.00-seed0.png", victim);
    refused(render, "renders/photo-sheet.png", victim);
    refused({"info", whole.string()}, "lock", victim);

    // What the window writes.
    editor::Session session = editor::open_session(whole, editor::SessionLock::Access::write);
    const editor::Recipe recipe = session.recipe;
    const auto not_written = [&](const fs::path& name, const std::function<void()>& write) {
        fs::remove(whole / name);
        fs::create_symlink(victim, whole / name);
        EXPECT_EQ(thrown_message<Error>(write).find((whole / name).string() + ": is a link"), 0u)
            << name;
        EXPECT_EQ(read_file(victim), "mine") << name;
    };
    const editor::Mask mask = editor::plain_mask({8, 8}, 255);
    not_written("history.json", [&] { save_history(whole, editor::History{}); });
    not_written("mask.json", [&] { editor::save_region_settings(whole, {}); });
    not_written("mask.png", [&] { editor::save_painted_mask(whole, mask); });
    not_written("checkpoint.safetensors",
                [&] { save_checkpoint(session, editor::Stage::embedding, {}); });
    not_written("losses.json", [&] { finish_stage(session, editor::Stage::embedding, {}); });
    not_written("recipe.json", [&] { save_session_recipe(session, recipe, {}); });
    fs::remove_all(whole / "renders");
    for (const char* name : {"renders", "renders/cache"}) {
        fs::create_directory_symlink(victims, whole / name);
        editor::RenderCache cache;
        cache.add(whole, "key", std::make_shared<const editor::Pixels>(quarters(16, 16)));
        EXPECT_TRUE(cache.find(whole, "key")) << "it lives in memory";
        EXPECT_TRUE(fs::is_empty(victims)) << name;
        fs::remove(whole / name);
        fs::create_directory(whole / "renders");
    }
}

}  // namespace
}  // namespace keepsake::testing
