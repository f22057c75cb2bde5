// Sessions that were moved, mixed up, or come from a stranger or a newer Keepsake.
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "editor/session/recipe.h"
#include "editor/session/session_region.h"
#include "editor/transfer/brush.h"
#include "editor/workbench/history.h"
#include "editor/workbench/render_cache.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/session/session_runs.h"

namespace keepsake::testing {
namespace {

using nlohmann::json;

class SessionFolder : public SessionRuns {};

TEST_F(SessionFolder, AnotherModelIsNamed) {
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

TEST_F(SessionFolder, OpensAnywhere) {
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

TEST_F(SessionFolder, FilesOfAnotherRecipeAreNotMixed) {
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
TEST_F(SessionFolder, AModelInAClosedFolderIsLookedForElsewhere) {
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

// What cannot begin replaces nothing.
TEST_F(SessionFolder, RestartLosesNoTuningToOneThatCannotBegin) {
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

TEST_F(SessionFolder, AFolderThatIsNoSessionIsNeverEmptied) {
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

TEST_F(SessionFolder, WhatANewerKeepsakeWroteIsToldAndKept) {
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
TEST_F(SessionFolder, LinksInsideASessionAreNotFollowed) {
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
