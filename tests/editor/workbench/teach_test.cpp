// What the room Teach learns, through the Worker and beside the command line, on the bundled model
// at its smallest.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "editor/edit/learn.h"
#include "editor/session/session.h"
#include "editor/workbench/my_words.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/workbench/test_worker.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Activity;
using editor::Document;
using editor::LearnKind;
using State = editor::TeachBoard::State;
using Arguments = std::vector<std::string>;

class Teach : public WorkerTest {
  protected:
    Teach() {
        fs::create_directory(photos);
        for (int i = 0; i < 3; ++i)
            save_photo(photos / ("photo" + std::to_string(i) + ".png"), quarters(80 + 8 * i, 64));
    }

    // The draft of the photos, as the window has it.
    editor::TeachDraft offered() {
        worker->send(editor::TeachAddRequest{{photos}});
        const auto document =
            wait("the photos", [](const Document& d) { return !d.teach.offers.empty(); });
        editor::TeachDraft draft;
        draft.pictures = document->teach.offers.back()->pictures;
        draft.token = "<My-Rose>";
        draft.init = "red rose";
        draft.steps = 4;
        return draft;
    }
    std::shared_ptr<const Document> wait_for(State state) {
        return wait("the run", [&](const Document& d) {
            return d.teach.run.state == state && d.activity != Activity::teaching;
        });
    }
    std::shared_ptr<const Document> learned(const editor::TeachDraft& draft) {
        worker->send(editor::TeachStartRequest{draft, {}});
        wait("the beginning",
             [&](const Document& d) { return d.teach.run.draft.token == draft.token; });
        return wait_for(State::finished);
    }
    // The command that goes on with the window's run.
    Arguments command(const fs::path& run, const std::string& steps) const {
        return {"learn",      "word",      (run / "pictures").string(),
                "--token",    "<My-Rose>", "--init",
                "red rose",   "--tune",    steps,
                "--every",    "0",         "--out",
                run.string(), "--quiet",   "--device",
                "cpu"};
    }

    const fs::path photos = folder.path / "photos";
};

TEST_F(Teach, AWordIsLearnedShownAndTheCommandLinesToo) {
    write_bytes(photos / "photo1.txt", "two <my-rose>s");
    write_bytes(photos / "broken.jpg", "no picture");
    editor::TeachDraft draft = offered();
    const auto first = worker->document();
    ASSERT_EQ(draft.pictures.size(), 3u);
    EXPECT_EQ(draft.pictures[1].caption, "two <my-rose>s");
    EXPECT_TRUE(draft.pictures[0].thumbnail);
    const auto& remarks = first->teach.offers[0]->remarks;
    EXPECT_EQ(std::ranges::count_if(
                  remarks, [](const auto& line) { return line.find("broken.jpg") != line.npos; }),
              1);
    draft.pictures[2].caption = "a <my-rose> that I wrote myself";
    const auto document = learned(draft);
    const editor::TeachBoard& run = document->teach.run;
    EXPECT_EQ(run.fault, "");
    EXPECT_EQ(run.losses->size(), 4u);
    EXPECT_EQ(run.evaluations.front().first, 0);
    EXPECT_EQ(run.evaluations.back().first, 4);
    ASSERT_GE(run.samples.size(), 2u);
    EXPECT_EQ(run.samples[0].step, 0);
    EXPECT_EQ(run.samples[0].pictures.size(), 4u);
    EXPECT_TRUE(run.samples.back().pictures[3]);
    ASSERT_EQ(document->teach.words.size(), 1u);
    EXPECT_EQ(document->teach.words[0].name, "<my-rose>");
    EXPECT_EQ(document->teach.words[0].model, document->model->fingerprint);
    EXPECT_TRUE(document->teach.words[0].picture);
    EXPECT_TRUE(document->teach.unfinished.empty());
    worker.reset();
    // To the command line it is the same run, finished: nothing is left to do.
    const fs::path file = run.folder / "my-rose.safetensors";
    const std::string before = read_file(file);
    const ProgramRun again = run_program(command(run.folder, "4"));
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_TRUE(before == read_file(file));
    EXPECT_EQ(run_program(command(run.folder, "5")).status, 1);
    EXPECT_EQ(read_file(photos / "photo1.txt"), "two <my-rose>s");
}

TEST_F(Teach, PhotosAreCaptionedAndNothingIsWrittenBesideThem) {
    worker->send(editor::TeachCaptionRequest{
        {photos / "photo0.png", photos / "gone.png", photos / "photo1.png"}, {}});
    const auto document = wait("the captions", [](const Document& d) {
        return d.teach.captions.done == 3 && d.activity == Activity::idle;
    });
    const editor::CaptionBoard& captions = document->teach.captions;
    EXPECT_FALSE(captions.running);
    EXPECT_EQ(captions.total, 3u);
    ASSERT_EQ(captions.said.size(), 2u);
    EXPECT_EQ(captions.said[1].photo, photos / "photo1.png");
    EXPECT_NE(captions.said[0].caption.find("a "), std::string::npos) << captions.said[0].caption;
    EXPECT_NE(document->notice.text.find("gone.png"), std::string::npos) << document->notice.text;
    EXPECT_EQ(std::distance(fs::directory_iterator(photos), {}), 3);
    // Stopped after the photo under way; what was said stays.
    worker->send(
        editor::TeachCaptionRequest{std::vector<fs::path>(1000, photos / "photo0.png"), {}});
    wait("the first", [](const Document& d) { return d.teach.captions.said.size() == 3; });
    worker->send(editor::TeachCaptionStopRequest{});
    const auto stopped =
        wait("the stop", [](const Document& d) { return d.activity == Activity::idle; });
    EXPECT_FALSE(stopped->teach.captions.running);
    EXPECT_LT(stopped->teach.captions.said.size(), 100u);
    // A folder that is no captioner's.
    worker->send(editor::TeachCaptionRequest{{photos / "photo0.png"}, photos});
    const auto fault = wait(
        "a notice", [&](const Document& d) { return d.notice.number > document->notice.number; });
    EXPECT_NE(fault->notice.text.find("config.json"), std::string::npos) << fault->notice.text;
    EXPECT_FALSE(wait("rest", [](const Document& d) {
                     return d.activity == Activity::idle;
                 })->teach.captions.running);
}

TEST_F(Teach, StopsAndTheCommandLineGoesOn) {
    editor::TeachDraft draft = offered();
    draft.steps = 100000;
    worker->send(editor::TeachStartRequest{draft, {}});
    wait("steps",
         [](const Document& d) { return d.teach.run.losses && d.teach.run.losses->size() > 2; });
    // An edit goes first, and the learning goes on by itself afterwards.
    worker->send(editor::ApplyRequest{open(1)});
    const auto opened = wait("the strip", [](const Document& d) {
        return d.tuned == editor::Tuned::fully && d.renders.size() >= 13 && d.shown.after;
    });
    const std::size_t then = opened->teach.run.losses->size();
    const auto more = wait("further steps", [&](const Document& d) {
        return d.activity == Activity::teaching && d.teach.run.losses->size() > then;
    });
    worker->send(editor::TeachStopRequest{});
    const auto stopped = wait("the stop", [](const Document& d) {
        return d.teach.run.state == State::stopped && !d.teach.unfinished.empty();
    });
    const std::size_t done = stopped->teach.run.losses->size();
    EXPECT_GE(done, more->teach.run.losses->size());
    ASSERT_EQ(stopped->teach.unfinished.size(), 1u);
    EXPECT_EQ(stopped->teach.unfinished[0].steps, 100000);
    const fs::path run = stopped->teach.run.folder;
    worker->send(editor::TeachStartRequest{{}, run});
    wait("going on", [&](const Document& d) { return d.teach.run.losses->size() > done; });
    worker.reset();  // a stop like any other
    Program program(command(run, "100000"));
    std::this_thread::sleep_for(std::chrono::seconds(8));
    program.signal(SIGINT);
    const ProgramRun on = program.wait();
    EXPECT_EQ(on.status, 130) << on.err;
    start();
    worker->send(editor::TeachAddRequest{{run}});
    const auto back = wait("the run", [](const Document& d) { return !d.teach.offers.empty(); });
    ASSERT_TRUE(back->teach.offers[0]->run) << back->teach.offers[0]->remarks[0];
    EXPECT_EQ(back->teach.run.state, State::stopped);
    EXPECT_GT(back->teach.run.losses->size(), done);
    EXPECT_EQ(back->teach.offers[0]->run->token, "<my-rose>");
    EXPECT_EQ(back->teach.offers[0]->run->pictures.size(), 3u);
}

TEST_F(Teach, GoesOnWithWhatTheCommandLineBegan) {
    const fs::path out = folder.path / "own.run";
    const Arguments subject = {"learn",
                               "subject",
                               photos.string(),
                               "--token",
                               "sks flower",
                               "--tune",
                               "60",
                               "--rank",
                               "2",
                               "--size",
                               "64",
                               "--min-snr",
                               "5",
                               "--mirror",
                               "--seed",
                               "18446744073709551615",
                               "--every",
                               "0",
                               "--text-encoder",
                               "--rate-schedule",
                               "cosine",
                               "--ema",
                               "--class",
                               "flower",
                               "--class-pictures",
                               "2",
                               "--out",
                               out.string(),
                               "--quiet",
                               "--device",
                               "cpu"};
    {
        Program program(subject);
        for (int i = 0; i < 6000 && !fs::exists(out / "run.json"); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        std::this_thread::sleep_for(std::chrono::seconds(2));
        program.signal(SIGINT);
        const ProgramRun stopped = program.wait();
        EXPECT_TRUE(stopped.status == 130 || stopped.status == 0) << stopped.err;
    }
    worker->send(editor::TeachAddRequest{{out}});
    const auto opened = wait("the run", [](const Document& d) { return !d.teach.offers.empty(); });
    ASSERT_TRUE(opened->teach.offers[0]->run) << opened->teach.offers[0]->remarks[0];
    EXPECT_EQ(opened->teach.offers[0]->run->class_words, "flower");
    worker->send(editor::TeachStartRequest{{}, out});
    const auto document = wait("the end", [](const Document& d) {
        return d.teach.run.state == State::finished || !d.teach.run.fault.empty();
    });
    ASSERT_EQ(document->teach.run.fault, "");
    ASSERT_EQ(document->teach.words.size(), 1u);
    EXPECT_EQ(document->teach.words[0].name, "sks flower");
    EXPECT_FALSE(document->teach.words[0].is_word);
    worker.reset();
    const std::string before = read_file(out / "sks-flower.safetensors");
    const ProgramRun again = run_program(subject);
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_TRUE(before == read_file(out / "sks-flower.safetensors"));
}

TEST_F(Teach, EditsGetTheWordsOfTheirTexts) {
    learned(offered());
    editor::TeachDraft look = offered();
    look.kind = LearnKind::captions;
    look.token = "Sepia tone";
    look.steps = 2;
    for (editor::TeachPicture& picture : look.pictures) picture.caption = "a sepia tone photo";
    const fs::path run = learned(look)->teach.run.folder;
    EXPECT_EQ(editor::learn_request_of(run).token, "Sepia tone");
    EXPECT_EQ(editor::learn_request_of(run).name, "sepia-tone");
    const auto base = worker->document()->model->fingerprint;
    editor::EditDraft draft = open(1);
    draft.prompt = "a photo of a <MY-ROSE>";
    const auto with_word = apply(draft);
    const auto word = editor::load_recipe(with_word->session / "recipe.json");
    ASSERT_EQ(word.words.size(), 1u);
    EXPECT_EQ(word.words[0].name, "<my-rose>");
    EXPECT_TRUE(word.changes.loras.empty());
    worker->send(editor::MyWordRequest{editor::MyWordRequest::Kind::strength, "Sepia tone", 0.5});
    wait("the strength", [](const Document& d) { return d.teach.words[1].strength == 0.5; });
    draft.prompt = "a sepia tone photo of a rose";
    worker->send(editor::ApplyRequest{draft});
    const auto with_lora = wait("the LoRA's edit", [&](const Document& d) {
        return d.tuned == editor::Tuned::fully && d.session != with_word->session &&
               d.activity == Activity::idle && d.shown.after;
    });
    const auto lora = editor::load_recipe(with_lora->session / "recipe.json");
    ASSERT_EQ(lora.changes.loras.size(), 1u);
    EXPECT_EQ(lora.changes.loras[0].weight, 0.5);
    EXPECT_TRUE(lora.words.empty());
    EXPECT_NE(lora.model.fingerprint, base);
    EXPECT_EQ(with_lora->model->fingerprint, base);
    // Another text is one of the bare model again.
    draft.prompt = "a red rose";
    worker->send(editor::ApplyRequest{draft});
    const auto bare = wait("the bare model's edit", [&](const Document& d) {
        return d.tuned == editor::Tuned::fully && d.session != with_lora->session &&
               d.activity == Activity::idle && d.shown.after;
    });
    const auto plain = editor::load_recipe(bare->session / "recipe.json");
    EXPECT_TRUE(plain.changes.loras.empty());
    EXPECT_EQ(plain.model.fingerprint, base);
    worker->send(editor::MyWordRequest{editor::MyWordRequest::Kind::remove, "<my-rose>", 1});
    wait("its end", [](const Document& d) { return d.teach.words.size() == 1; });
    EXPECT_FALSE(fs::exists(folder.path / "library/learned/my-rose"));
}

TEST_F(Teach, AFailureIsALineAndNothingIsLost) {
    editor::TeachDraft draft = offered();
    draft.token = "rose";
    worker->send(editor::TeachStartRequest{draft, {}});
    const auto failed =
        wait("the fault", [](const Document& d) { return !d.teach.run.fault.empty(); });
    EXPECT_NE(failed->teach.run.fault.find("vocabulary"), std::string::npos);
    EXPECT_EQ(failed->teach.run.state, State::stopped);
    wait("the line",
         [](const Document& d) { return d.notice.text.find("vocabulary") != std::string::npos; });
    worker->send(editor::TeachAddRequest{{folder.path / "nothing", photos}});
    const auto document =
        wait("the photos", [](const Document& d) { return d.teach.offers.size() == 2; });
    EXPECT_EQ(document->teach.offers[1]->pictures.size(), 3u);
    EXPECT_NE(document->teach.offers[1]->remarks.at(0).find("is not there"), std::string::npos);
}

}  // namespace
}  // namespace keepsake::testing
