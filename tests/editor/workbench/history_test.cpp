// Undo and redo lose nothing, and a session's history comes back from its folder.
#include "editor/workbench/history.h"

#include <gtest/gtest.h>

#include "editor/session/recent_sessions.h"
#include "editor/session/recipe.h"
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
