// The queue: what a person changes of its list, the file that keeps it, and the Worker that works
// it off.
#include "editor/workbench/edit_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "editor/session/session.h"
#include "editor/workbench/queue_file.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/workbench/test_worker.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Document;
using editor::EditQueue;
using editor::QueueAddRequest;
using editor::QueueChangeRequest;
using editor::QueuedEdit;
using editor::QueueRunRequest;
using editor::QueueTextsRequest;
using OfOne = QueueChangeRequest::OfOne;
using State = QueuedEdit::State;
using Texts = std::vector<std::string>;

// As "photo: text", in their order.
Texts shown(const EditQueue& queue) {
    Texts lines;
    for (const QueuedEdit& edit : queue.edits) lines.push_back(edit.name + ": " + edit.text);
    return lines;
}

EditQueue queue_of(const Texts& texts) {
    return changed({}, QueueAddRequest{{"/photos/a.png"}, texts, {}});
}

EditQueue moved(EditQueue queue, std::uint64_t id, OfOne where) {
    return changed(std::move(queue), QueueChangeRequest{where, id, {}});
}

TEST(EditQueue, EachPhotoWithEachText) {
    EditQueue queue = changed({}, QueueAddRequest{{"/p/a.png", "/p/b.png"}, {" red ", "blue"}, {}});
    EXPECT_EQ(shown(queue), (Texts{"a.png: red", "a.png: blue", "b.png: red", "b.png: blue"}));
    queue = changed(queue, QueueAddRequest{{"/p/c.png", "/p/d.png"}, {}, {}});
    EXPECT_EQ(editor::count_of(queue).unwritten, 2u);
    queue = changed(queue, QueueChangeRequest{OfOne::write, queue.edits[5].id, "my own\n"});
    queue = changed(queue, QueueTextsRequest{{"one", "two"}, "paper"});
    EXPECT_EQ(shown(queue), (Texts{"a.png: red", "a.png: blue", "b.png: red", "b.png: blue",
                                   "c.png: one", "c.png: two", "d.png: my own"}));
    EXPECT_EQ(queue.edits[5].mode, "paper");
    EXPECT_EQ(queue.edits[6].mode, "");
    std::set<std::uint64_t> ids;
    for (const QueuedEdit& edit : queue.edits) ids.insert(edit.id);
    EXPECT_EQ(ids.size(), 7u);
    EXPECT_EQ(editor::lines_of("one\r\n\n  two \n \t\nthree"), (Texts{"one", "two", "three"}));
    EXPECT_EQ(editor::lines_of(" \n"), Texts{});
}

TEST(EditQueue, MovesPastWhatWaitsAlone) {
    EditQueue queue = queue_of({"1", "2", "3", "4"});
    queue.edits[1].state = State::done;
    queue = moved(queue, queue.edits[2].id, OfOne::up);
    EXPECT_EQ(shown(queue), (Texts{"a.png: 3", "a.png: 2", "a.png: 1", "a.png: 4"}));
    queue = moved(queue, queue.edits[0].id, OfOne::up);  // it is the first
    queue = moved(queue, queue.edits[3].id, OfOne::down);
    queue = moved(queue, queue.edits[1].id, OfOne::down);  // it is done
    EXPECT_EQ(shown(queue), (Texts{"a.png: 3", "a.png: 2", "a.png: 1", "a.png: 4"}));
    queue = moved(queue, queue.edits[2].id, OfOne::down);
    EXPECT_EQ(shown(queue), (Texts{"a.png: 3", "a.png: 2", "a.png: 4", "a.png: 1"}));
    queue = moved(queue, queue.edits[0].id, OfOne::remove);
    queue = moved(queue, 99, OfOne::remove);
    EXPECT_EQ(shown(queue), (Texts{"a.png: 2", "a.png: 4", "a.png: 1"}));
}

TEST(EditQueue, TheNextIsTheFirstThatWaitsAndHasAText) {
    EditQueue queue = changed({}, QueueAddRequest{{"/p/none.png"}, {}, {}});
    EXPECT_EQ(editor::next_edit(queue), nullptr);
    queue = changed(queue, QueueAddRequest{{"/p/a.png"}, {"1", "2"}, {}});
    EXPECT_EQ(editor::next_edit(queue)->text, "1");
    EXPECT_FALSE(editor::is_wanted(queue));
    queue.edits[1].state = State::working;
    EXPECT_TRUE(editor::is_wanted(queue));
    queue = changed(queue, QueueRunRequest{QueueRunRequest::What::pause});
    EXPECT_EQ(editor::next_edit(queue), nullptr);
    EXPECT_FALSE(editor::is_wanted(queue));
    queue = changed(queue, QueueRunRequest{QueueRunRequest::What::go_on});
    queue.edits[1].state = State::failed;
    EXPECT_EQ(editor::next_edit(queue)->text, "2");
    queue = moved(queue, queue.edits[1].id, OfOne::again);
    EXPECT_EQ(editor::next_edit(queue)->text, "1");
    queue.edits[1].state = State::done;
    queue = changed(queue, QueueRunRequest{QueueRunRequest::What::clear});
    EXPECT_EQ(shown(queue), (Texts{"none.png: ", "a.png: 2"}));
}

TEST(EditQueue, RefusesMoreThanItTakes) {
    EditQueue queue = queue_of(Texts(editor::most_queued - 1, "a text"));
    queue = changed(queue, QueueAddRequest{{"/p/last.png"}, {}, {}});
    EXPECT_THROW(changed(queue, QueueAddRequest{{"/p/more.png"}, {}, {}}), Error);
    EXPECT_THROW(changed(queue, QueueTextsRequest{{"one", "two"}, {}}), Error);
}

TEST(QueueFile, KeepsTheListForTheNextWindow) {
    const TemporaryFolder folder;
    EditQueue queue = queue_of({"1", "2", "3", "4"});
    queue.edits[0].state = State::done;
    queue.edits[0].session = folder.path / "sessions/gone.keepsake";
    queue.edits[1].state = State::failed;
    queue.edits[1].remark = "it was so";
    queue.edits[2].state = State::working;
    queue.edits[2].mode = "paper";
    queue.edits[2].name = "holiday.jpg";
    {
        const editor::QueueFile file(folder.path);
        EXPECT_EQ(shown(file.load()), Texts{});
        file.save(queue);
        // Another window meanwhile keeps none, and says so.
        const editor::QueueFile other(folder.path);
        EXPECT_FALSE(other.is_ours());
        EXPECT_NE(other.load().unkept, "");
        other.save({});
    }
    const editor::QueueFile file(folder.path);
    const EditQueue read = file.load();
    EXPECT_EQ(shown(read), (Texts{"a.png: 2", "holiday.jpg: 3", "a.png: 4"}));
    EXPECT_TRUE(read.paused);
    EXPECT_EQ(read.edits[0].state, State::failed);
    EXPECT_EQ(read.edits[0].remark, "it was so");
    EXPECT_EQ(read.edits[1].state, State::waiting);
    EXPECT_EQ(read.edits[1].mode, "paper");
    EXPECT_EQ(read.edits[1].photo, "/photos/a.png");
}

TEST(QueueFile, ReadsWhatIsWhole) {
    const TemporaryFolder folder;
    const editor::QueueFile file(folder.path);
    const auto read = [&](const std::string& content) {
        write_bytes(folder.path / "queue.json", content);
        return shown(file.load());
    };
    EXPECT_EQ(read(R"({"edits": [{"photo": 3}, {"text": "x"}, {"photo": "/p/b.png", "text": "y",
                       "newer": 1}, 7, {"photo": ""}]})"),
              Texts{"b.png: y"});
    EXPECT_EQ(read("[{"), Texts{});
    EXPECT_EQ(read(R"({"kind": "something else", "edits": [{"photo": "/p/b.png"}]})"), Texts{});
    EXPECT_EQ(read(R"({"edits": 3})"), Texts{});
    EXPECT_EQ(read("7"), Texts{});
}

class QueueWork : public WorkerTest {
  protected:
    QueueWork() {
        link_model(model);
        fs::remove(model / "keepsake.json");
        steps(1);
        start(model);
        wait("the model", [](const Document& d) { return d.model && d.model->count_tokens; });
    }
    void steps(int count) const {
        const nlohmann::json stage = {{"steps", count}, {"learning_rate", 0.003}};
        write_bytes(model / "keepsake.json",
                    nlohmann::json{{"fast", {{"embedding", stage}, {"finetune", stage}}},
                                   {"sample", {{"steps", 2}}}}
                        .dump());
    }
    // Waits until as many are in this state.
    std::shared_ptr<const Document> wait_for(State state, std::size_t count) {
        return wait("the queue", [&](const Document& d) {
            const auto in_state = std::ranges::count(d.queue->edits, state, &QueuedEdit::state);
            return in_state >= static_cast<std::ptrdiff_t>(count);
        });
    }
    std::string second_photo() const {
        save_photo(folder.path / "second.png", quarters(80, 96));
        return folder.path / "second.png";
    }

    const fs::path model = folder.path / "model";
};

TEST_F(QueueWork, OneBadPhotoStopsNothingAndEachIsASession) {
    write_bytes(folder.path / "bad.jpg", "no picture");
    worker->send(QueueAddRequest{{photo, folder.path / "bad.jpg"}, {"a red rose"}, {}});
    worker->send(QueueAddRequest{{second_photo()}, {"a daisy"}, "quick"});
    wait_for(State::done, 1);
    wait_for(State::done, 2);
    const auto document = wait("the pictures", [](const Document& d) {
        return d.queue->edits[0].after && d.activity == editor::Activity::idle;
    });
    const auto& edits = document->queue->edits;
    EXPECT_EQ(edits[1].state, State::failed);
    EXPECT_EQ(edits[1].remark.find("bad.jpg: is not an image"), 0u) << edits[1].remark;
    EXPECT_FALSE(edits[1].before);
    EXPECT_TRUE(edits[0].before);
    EXPECT_FALSE(document->photo);  // what is open in the window stays as it is
    EXPECT_EQ(document->queue_progress.id, 0u);
    EXPECT_EQ(document->recent.size(), 2u);
    worker->send(editor::OpenRequest{edits[0].session, {}, false});
    const auto opened =
        wait("the session", [](const Document& d) { return d.shown.after != nullptr; });
    EXPECT_EQ(opened->draft.prompt, "a red rose");
    EXPECT_EQ(opened->photo->name, "photo.png");
    EXPECT_EQ(opened->tuned, editor::Tuned::fully);
    for (int tenth = 0; tenth <= 12; ++tenth)  // and the strength that was chosen
        EXPECT_TRUE(editor::exact_render(*opened, tenth / 10.0)) << tenth;
    EXPECT_EQ(opened->history.size(), 1u);
    EXPECT_EQ(opened->queue->edits.size(), 3u);
    EXPECT_EQ(editor::load_recipe(edits[2].session / "recipe.json").mode, editor::Mode::quick);
    EXPECT_EQ(editor::load_recipe(edits[2].session / "recipe.json").prompt, "a daisy");
}

TEST_F(QueueWork, PausesGoesOnAndIsThereForTheNextWindow) {
    steps(4000);
    start(model);
    worker->send(QueueAddRequest{{photo}, {"a red rose"}, {}});
    wait("steps", [](const Document& d) {
        return d.activity == editor::Activity::queue && d.queue_progress.stage == "embedding" &&
               d.queue_progress.fraction > 0.001;
    });
    worker->send(QueueRunRequest{QueueRunRequest::What::pause});
    const auto paused =
        wait("the pause", [](const Document& d) { return d.activity == editor::Activity::idle; });
    EXPECT_EQ(paused->queue->edits[0].state, State::waiting);
    // An edit that is asked for goes first; the queue goes on by itself.
    worker->send(QueueRunRequest{QueueRunRequest::What::go_on});
    wait_for(State::working, 1);
    editor::EditDraft draft = open(2);
    draft.prompt = "a tulip";
    worker->send(editor::ApplyRequest{draft});
    wait("the edit", [](const Document& d) { return d.tuned == editor::Tuned::fully; });
    wait("the queue again", [](const Document& d) {
        return d.activity == editor::Activity::queue && d.queue_progress.fraction > 0.001;
    });
    const fs::path list = folder.path / "library/queue.json";
    worker.reset();
    EXPECT_NE(read_file(list).find("waiting"), std::string::npos) << read_file(list);
    start(model);
    const auto again = wait("the model", [](const Document& d) {
        return d.model && d.model->count_tokens && d.activity == editor::Activity::idle;
    });
    ASSERT_EQ(again->queue->edits.size(), 1u);
    EXPECT_TRUE(again->queue->paused);
    EXPECT_EQ(again->queue->edits[0].text, "a red rose");
    // What is taken out is not worked on any more.
    worker->send(QueueRunRequest{QueueRunRequest::What::go_on});
    wait_for(State::working, 1);
    worker->send(QueueChangeRequest{OfOne::remove, again->queue->edits[0].id, {}});
    wait("rest", [](const Document& d) {
        return d.activity == editor::Activity::idle && d.queue->edits.empty();
    });
}

}  // namespace
}  // namespace keepsake::testing
