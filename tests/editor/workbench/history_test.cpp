// Undo and redo lose nothing, and a session's history comes back from its folder.
#include "editor/workbench/history.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "editor/session/recent_sessions.h"
#include "editor/session/recipe.h"
#include "editor/workbench/file_tasks.h"
#include "pipeline/files/atomic_file.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::History;
using editor::HistoryItem;

HistoryItem item(double eta, const fs::path& session = "s") {
    HistoryItem item;
    item.eta = eta;
    item.session = session;
    item.draft.sample = {"ddim", 7, 2.5, "blurry \"and\" dark", 0.25, 0.75};
    return item;
}

double shown(const History& history) {
    return history.items()[*history.at()].eta;
}

TEST(History, UndoGoesToWhatWasShownBefore) {
    History history;
    EXPECT_FALSE(history.undo());
    for (const double eta : {0.1, 0.2, 0.3}) history.show(item(eta));
    EXPECT_FALSE(history.can_redo());
    ASSERT_TRUE(history.undo());
    ASSERT_TRUE(history.undo());
    EXPECT_EQ(shown(history), 0.1);
    EXPECT_FALSE(history.undo());
    ASSERT_TRUE(history.redo());
    EXPECT_EQ(shown(history), 0.2);
}

TEST(History, AnEditAfterAnUndoKeepsTheOtherBranch) {
    History history;
    for (const double eta : {0.1, 0.2, 0.3}) history.show(item(eta));
    history.undo();
    history.undo();
    history.show(item(0.9));
    EXPECT_EQ(history.items().size(), 4u);
    EXPECT_FALSE(history.can_redo());
    ASSERT_TRUE(history.undo());
    EXPECT_EQ(shown(history), 0.1);
    ASSERT_TRUE(history.redo());
    EXPECT_EQ(shown(history), 0.9) << "redo goes to the newest that was made from here";
    history.go_to(2);
    EXPECT_EQ(shown(history), 0.3);
    history.go_to(99);
    EXPECT_EQ(shown(history), 0.3);
}

TEST(History, TheSameResultAgainIsNoStep) {
    History history;
    history.show(item(0.1));
    history.show(item(0.1));
    EXPECT_EQ(history.items().size(), 1u);
    history.show(item(0.1, "another session"));
    EXPECT_EQ(history.items().size(), 2u);
}

TEST(History, ComesBackFromItsFolder) {
    const TemporaryFolder folder;
    History history;
    history.show(item(0.1, folder.path));
    history.show(item(0.5, "elsewhere"));
    history.show(item(0.7, folder.path));
    history.show(item(0.8, folder.path));
    history.undo();
    save_history(folder.path, history);
    const editor::SavedHistory saved = editor::load_history(folder.path);
    ASSERT_EQ(saved.items.size(), 3u);
    EXPECT_EQ(saved.items[1].eta, 0.7);
    EXPECT_EQ(saved.shown, 1u);
    EXPECT_EQ(saved.items[1].draft.sample, item(0).draft.sample);
}

TEST(History, ADamagedFileIsNoHistory) {
    const TemporaryFolder folder;
    for (const char* text : {"", "{", "{\"results\": 3}", "{\"results\": [{\"eta\": \"x\"}]}", "[]",
                             "{\"results\": [], \"shown\": -1}"}) {
        write_bytes(folder.path / "history.json", text);
        EXPECT_TRUE(editor::load_history(folder.path).items.empty()) << text;
    }
}

TEST(History, ANewerFilesFieldsAreKeptOrTold) {
    const TemporaryFolder folder;
    History history;
    history.show(item(0.1, folder.path));
    save_history(folder.path, history);
    nlohmann::json file = nlohmann::json::parse(read_file(folder.path / "history.json"));
    file["version"] = 7;
    file["stars"] = 5;
    write_bytes(folder.path / "history.json", file.dump());
    EXPECT_EQ(editor::load_history(folder.path).fault, "");
    save_history(folder.path, history);
    file = nlohmann::json::parse(read_file(folder.path / "history.json"));
    EXPECT_EQ(file["version"], 7);
    EXPECT_EQ(file["stars"], 5);
    file["results"][0]["mood"] = "blue";
    write_bytes(folder.path / "history.json", file.dump());
    const editor::SavedHistory saved = editor::load_history(folder.path);
    EXPECT_EQ(saved.items.size(), 1u);
    EXPECT_NE(saved.fault.find("newer Keepsake"), std::string::npos) << saved.fault;
}

TEST(History, ADamagedEntryIsLeftOutAndTold) {
    const TemporaryFolder folder;
    History history;
    for (const double eta : {0.1, 0.2, 0.3, 0.4}) history.show(item(eta, folder.path));
    history.undo();
    save_history(folder.path, history);
    const nlohmann::json good = nlohmann::json::parse(read_file(folder.path / "history.json"));
    EXPECT_EQ(good["kind"], "keepsake history");
    EXPECT_EQ(editor::load_history(folder.path).shown, 2u);
    EXPECT_EQ(editor::load_history(folder.path).fault, "");
    const std::vector<std::pair<const char*, nlohmann::json>> bad = {
        {"sampler", "magic"}, {"steps", 0},    {"steps", "many"}, {"steps", 4294967298},
        {"steps", -3},        {"eta", 1e300},  {"guidance", -1},  {"seed", -1},
        {"noise_share", 1.5}, {"ddim_eta", 2}, {"negative", 3},   {"eta", false}};
    for (const auto& [field, value] : bad) {
        nlohmann::json spoilt = good;
        spoilt["results"][1][field] = value;
        spoilt["newer"] = "field";
        write_bytes(folder.path / "history.json", spoilt.dump());
        const editor::SavedHistory saved = editor::load_history(folder.path);
        ASSERT_EQ(saved.items.size(), 3u) << field;
        EXPECT_EQ(saved.items[0].eta, 0.1);
        EXPECT_EQ(saved.items[1].eta, 0.3);
        EXPECT_EQ(saved.shown, 1u) << "the same as before, which is now the second";
        EXPECT_EQ(saved.fault.find((folder.path / "history.json").string() +
                                   ": 1 result of this session's history cannot be read"),
                  0u)
            << saved.fault;
        spoilt = good;
        spoilt["results"][2][field] = value;
        write_bytes(folder.path / "history.json", spoilt.dump());
        EXPECT_EQ(editor::load_history(folder.path).shown, 1u) << "what is left before it";
    }
}

// Two windows note their sessions at one time.
TEST(RecentSessions, TwoWindowsLoseNoEntry) {
    const TemporaryFolder library;
    std::vector<std::jthread> windows;
    for (const char* window : {"a", "b", "c"}) {
        windows.emplace_back([&, window] {
            for (int i = 0; i < 8; ++i) {
                const fs::path session = library.path / (window + std::to_string(i));
                fs::create_directory(session);
                save_recipe(session / "recipe.json", editor::Recipe{});
                editor::remember_session(library.path, session);
            }
        });
    }
    windows.clear();
    EXPECT_EQ(editor::recent_sessions(library.path).size(), 24u);
}

TEST(RecentSessions, TheLatestFirstAndThoseThatAreGoneLeftOut) {
    const TemporaryFolder library;
    std::vector<fs::path> sessions;
    for (const char* name : {"a.keepsake", "b.keepsake", "c.keepsake"}) {
        sessions.push_back(library.path / name);
        fs::create_directory(sessions.back());
        save_recipe(sessions.back() / "recipe.json", editor::Recipe{});
        editor::remember_session(library.path, sessions.back());
    }
    editor::remember_session(library.path, sessions[0]);
    fs::remove_all(sessions[1]);
    const std::vector<fs::path> expected = {sessions[0], sessions[2]};
    EXPECT_EQ(editor::recent_sessions(library.path), expected);
    write_bytes(library.path / "recent.json", "[1, 2");
    EXPECT_TRUE(editor::recent_sessions(library.path).empty());
}

// Before it said its kind, recent.json was the list alone; of a newer one what is not known stays.
TEST(RecentSessions, TheFileSaysItsKindAndOlderAndNewerOnesOpen) {
    const TemporaryFolder library;
    const fs::path file = library.path / "recent.json";
    for (const char* name : {"a", "b"}) {
        fs::create_directory(library.path / name);
        save_recipe(library.path / name / "recipe.json", editor::Recipe{});
    }
    const fs::path a = library.path / "a", b = library.path / "b";
    write_bytes(file, nlohmann::json{a.string()}.dump());
    EXPECT_EQ(editor::recent_sessions(library.path), std::vector{a});
    editor::remember_session(library.path, b);
    nlohmann::json content = nlohmann::json::parse(read_file(file));
    EXPECT_EQ(content["kind"], "keepsake recent sessions");
    EXPECT_EQ(content["version"], 1);
    content["version"] = 9;
    content["pinned"] = {1, 2};
    write_bytes(file, content.dump());
    editor::remember_session(library.path, a);
    content = nlohmann::json::parse(read_file(file));
    EXPECT_EQ(content["version"], 9);
    EXPECT_EQ(content["pinned"], (nlohmann::json{1, 2}));
    EXPECT_EQ(editor::recent_sessions(library.path), (std::vector{a, b}));
    content["kind"] = "keepsake history";
    write_bytes(file, content.dump());
    EXPECT_TRUE(editor::recent_sessions(library.path).empty()) << "another kind is not read";
}

// The listing of the start reads thumbnails while a session is opened and listed: whichever ends
// first, the newer list is shown.
TEST(RecentSessions, AListingThatBeganEarlierDoesNotReplaceALaterOne) {
    const TemporaryFolder library;
    editor::DocumentBoard board([] {});
    editor::RecentShelf shelf(board, library.path);
    const auto remember = [&](const char* name) {
        fs::create_directory(library.path / name);
        save_recipe(library.path / name / "recipe.json", editor::Recipe{});
        editor::remember_session(library.path, library.path / name);
    };
    remember("a");
    const auto at_start = shelf.read();
    remember("b");
    const auto after_opening = shelf.read();
    shelf.show(after_opening);
    shelf.show(at_start);
    ASSERT_EQ(board.latest()->recent.size(), 2u);
    EXPECT_EQ(board.latest()->recent[0].path, library.path / "b");
    shelf.show(shelf.read());
    EXPECT_EQ(board.latest()->recent.size(), 2u);
}

TEST(RecentSessions, ANewSessionTakesTheFirstFreeName) {
    const TemporaryFolder library;
    fs::create_directories(library.path / "sessions/rose.keepsake");
    fs::create_directories(library.path / "sessions/rose-2.keepsake");
    const auto names = editor::session_candidates(library.path, "rose");
    ASSERT_EQ(names.size(), 3u);
    EXPECT_EQ(names.back(), library.path / "sessions/rose-3.keepsake");
}

}  // namespace
}  // namespace keepsake::testing
