// The queue: what a person changes of its list, the file that keeps it, and the Worker that works
// it off.
#include "editor/workbench/edit_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "editor/session/session.h"
#include "editor/workbench/queue_file.h"
#include "editor/workbench/queue_settings.h"
#include "editor/workbench/queue_time.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/workbench/test_worker.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Document;
using editor::EditQueue;
using editor::Notice;
using editor::QueueAddRequest;
using editor::QueueChangeRequest;
using editor::QueuedEdit;
using editor::QueueRunRequest;
using editor::QueueSettings;
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

// In quick mode, of a size of its own.
QueueSettings quick(int size = 64) {
    QueueSettings settings;
    settings.model.path = fs::absolute(flowers);
    settings.tuning = {"quick", {}, size, 3, 0, 0.001, 0, 0.002};
    settings.sample = {"euler", 3, 2.5, "blurry", 0, 0.5, 0.3, "", "karras"};
    settings.seed = 5;
    return settings;
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
    queue = changed(queue, QueueTextsRequest{{"one", "two"}, quick()});
    EXPECT_EQ(shown(queue), (Texts{"a.png: red", "a.png: blue", "b.png: red", "b.png: blue",
                                   "c.png: one", "c.png: two", "d.png: my own"}));
    EXPECT_EQ(queue.edits[5].settings, quick());
    EXPECT_EQ(queue.edits[6].settings, std::nullopt);
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

TEST(EditQueue, SettingsInALine) {
    const editor::ModelChoice model{fs::absolute(flowers), {}, {}};
    QueueSettings settings = quick();
    EXPECT_EQ(line_of(settings, model), "quick; euler karras, 3 steps, guidance 2.5; not: blurry");
    settings.tuning.embedding_steps = 60;
    settings.tuning.finetune_steps = 20;
    settings.sample.negative.clear();
    EXPECT_EQ(line_of(settings, {"/models/other", {}, {}}),
              "quick, 60 + 20 steps; euler karras, 3 steps, guidance 2.5; flowers");
    settings.model.loras = "roses:0.8";
    EXPECT_EQ(line_of(settings, model),
              "quick, 60 + 20 steps; euler karras, 3 steps, guidance 2.5; flowers, LoRA roses:0.8");
    EXPECT_TRUE(is_of_model(editor::settings_of({"models/x", {}, {}}, {}, 0),
                            {fs::absolute("models/x"), {}, {}}));
}

TEST(QueueTime, ByThoseThatAreDoneAndTheirSort) {
    EditQueue queue = queue_of({"1", "2", "3"});
    EXPECT_EQ(seconds_left(queue, {}), std::nullopt);
    for (QueuedEdit& edit : queue.edits) edit.settings = quick();
    // Of one under way alone, by how far it is.
    queue.edits[0].state = State::working;
    EXPECT_EQ(seconds_left(queue, {queue.edits[0].id, "", 0.05, 3, nullptr}), std::nullopt);
    EXPECT_NEAR(*seconds_left(queue, {queue.edits[0].id, "", 0.25, 5, nullptr}), 15 + 2 * 20, 1e-9);
    // Of one that is done, with another text and seed, as long as that.
    queue.edits[0].state = State::done;
    queue.edits[0].seconds = 30;
    queue.edits[0].settings->seed = 77;
    queue.edits[1].state = State::working;
    EXPECT_NEAR(*seconds_left(queue, {queue.edits[1].id, "", 0.5, 99, nullptr}), 15 + 30, 1e-9);
    queue.edits[1].state = State::waiting;
    queue.edits[1].seconds = 10;  // paused
    EXPECT_NEAR(*seconds_left(queue, {}), 20 + 30, 1e-9);
    // Twice the side is four times the work; without a text it is not worked on.
    queue.edits[1].settings = quick(128);
    queue.edits[2].text.clear();
    EXPECT_NEAR(*seconds_left(queue, {}), 4 * 30 - 10, 1e-9);
    queue.edits[1].state = State::failed;
    EXPECT_EQ(seconds_left(queue, {}), std::nullopt);
}

TEST(QueueFile, KeepsTheListForTheNextWindow) {
    const TemporaryFolder folder;
    EditQueue queue = queue_of({"1", "2", "3", "4"});
    queue.edits[0].state = State::done;
    queue.edits[0].session = folder.path / "sessions/gone.keepsake";
    queue.edits[1].state = State::failed;
    queue.edits[1].remark = "it was so";
    queue.edits[2].state = State::working;
    queue.edits[2].settings = quick();
    queue.edits[2].settings->tuning.crop = {1, 2, 80, 90};
    queue.edits[2].settings->model.vae = "mse";
    queue.edits[2].settings->model.loras = "roses:0.8, grain";
    queue.edits[2].seconds = 12.5;
    queue.edits[3].settings = quick();
    queue.edits[3].settings->tuning.size = 65;  // not what any window can show
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
    EXPECT_EQ(shown(read), (Texts{"a.png: 2", "holiday.jpg: 3"}));
    EXPECT_TRUE(read.paused);
    EXPECT_EQ(read.edits[0].state, State::failed);
    EXPECT_EQ(read.edits[0].remark, "it was so");
    EXPECT_EQ(read.edits[1].state, State::waiting);
    EXPECT_EQ(read.edits[0].settings, std::nullopt);
    EXPECT_EQ(read.edits[1].settings, queue.edits[2].settings);
    EXPECT_EQ(read.edits[1].seconds, 12.5);
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
    QueueSettings settings = quick();
    settings.tuning.crop = {0, 10, 80, 80};
    worker->send(QueueAddRequest{{second_photo()}, {"a daisy"}, settings});
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
    EXPECT_GT(edits[0].seconds, 0);
    editor::EditDraft made = draft_of(editor::load_recipe(edits[2].session / "recipe.json"));
    EXPECT_EQ(made.prompt, "a daisy");
    EXPECT_EQ(made.tuning, settings.tuning);
    EXPECT_EQ(made.sample, settings.sample);
    worker->send(editor::OpenRequest{edits[2].session, {}, false});
    EXPECT_EQ(wait("the other",
                   [](const Document& d) { return d.draft.prompt == "a daisy" && d.shown.after; })
                  ->seed,
              settings.seed);
}

// What to press stands where the fault is shown, which differs from room to room.
TEST_F(QueueWork, AFaultSaysNothingOfButtons) {
    const editor::EditDraft draft = open(1);
    const auto before = apply(draft);
    const fs::path file = before->session / "losses.json";
    for (const char* name : {"losses.json", "embeddings.safetensors", "lora.safetensors"})
        fs::remove(before->session / name);
    fs::create_directory(file);
    worker->send(editor::CloseRequest{});
    open(1);
    worker->send(editor::ApplyRequest{draft});
    const auto stopped =
        wait("a notice", [](const Document& d) { return d.notice.kind == Notice::Kind::stopped; });
    EXPECT_NE(stopped->notice.text.find(file.string()), std::string::npos) << stopped->notice.text;
    EXPECT_EQ(stopped->notice.text.find("Apply"), std::string::npos) << stopped->notice.text;
    worker->send(editor::CloseRequest{});
    worker->send(
        QueueAddRequest{{photo}, {draft.prompt}, editor::settings_of({model, {}, {}}, draft, 0)});
    const auto failed = wait_for(State::failed, 1);
    EXPECT_EQ(failed->queue->edits[0].remark, stopped->notice.text);
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
