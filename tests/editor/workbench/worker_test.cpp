// The Worker with the bundled model, as a window uses it.
#include "editor/workbench/worker.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "editor/edit/preview.h"
#include "editor/photo/image_file.h"
#include "editor/session/session.h"
#include "editor/workbench/bench.h"
#include "pipeline/compute/kernels.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/workbench/test_worker.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Activity;
using editor::Document;
using editor::Tuned;

TEST(StripEtas, CoarseFirstAndEachOnce) {
    const std::vector<double> etas = editor::strip_etas(0.9);
    ASSERT_EQ(etas.size(), 13u);
    EXPECT_EQ(std::vector<double>(etas.begin(), etas.begin() + 4),
              (std::vector<double>{0, 1.2, 0.6, 0.9}));
    std::set<double> each(etas.begin(), etas.end());
    EXPECT_EQ(each.size(), 13u);
}

TEST_F(WorkerTest, ShowsWhatTheCommandLineRenders) {
    const auto document = apply(open(2));
    EXPECT_GT(changes, 0);
    EXPECT_EQ(document->draft.prompt, "a red rose");
    EXPECT_EQ(document->shown.eta, document->eta);
    EXPECT_EQ(document->history.size(), 1u);
    EXPECT_EQ(document->losses->embedding.size(), 2u);
    const editor::Render* render = editor::exact_render(*document, 0.3);
    ASSERT_NE(render, nullptr);
    const auto pixels = render->square->rgb;
    const fs::path session = document->session;
    worker.reset();
    const fs::path out = folder.path / "out.png";
    const ProgramRun run =
        run_program({"render", session.string(), "--eta", "0.3", "--out", out.string(), "--no-full",
                     "--quiet", "--threads", std::to_string(at::get_num_threads())});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(editor::load_photo(out).pixels.rgb, pixels);
    const editor::EditRender how{*render->recipe, 0.3, render->seed};
    EXPECT_TRUE(editor::read_image_recipe(out) == editor::to_chunk(how));
}

TEST_F(WorkerTest, StopsSavesAndGoesOn) {
    const editor::EditDraft draft = open(2000);
    worker->send(editor::ApplyRequest{draft});
    wait("some steps", [](const Document& d) { return d.progress.done >= 2; });
    worker->send(editor::StopRequest{});
    const auto stopped = wait("the stop", [](const Document& d) {
        return d.activity == Activity::idle && d.tuned == Tuned::partly;
    });
    EXPECT_TRUE(fs::exists(stopped->session / "checkpoint.safetensors"));
    worker->send(editor::ApplyRequest{draft});
    const auto again = wait("more steps", [](const Document& d) {
        return d.activity == Activity::tuning && d.progress.done > 0;
    });
    EXPECT_GT(again->progress.done, 2);
    EXPECT_EQ(again->session, stopped->session);
    // The end of the worker is a stop like any other.
    const fs::path session = again->session;
    worker.reset();
    EXPECT_EQ(next_stage(open_session(session, editor::SessionLock::Access::read)),
              editor::Stage::embedding);
    EXPECT_TRUE(fs::exists(session / "checkpoint.safetensors"));
}

TEST_F(WorkerTest, AFirstLookComesBeforeAnythingIsLearned) {
    const editor::EditDraft draft = open(2000);
    worker->send(editor::ApplyRequest{draft});
    const auto first =
        wait("a picture", [](const Document& d) { return d.preview.square != nullptr; });
    EXPECT_EQ(first->preview.stage, "nothing");
    EXPECT_EQ(first->preview.step, 0);
    EXPECT_EQ(first->tuned, Tuned::nothing);
    EXPECT_EQ(first->preview.square->width, first->working_square->width);
    EXPECT_NE(first->preview.square->rgb, first->working_square->rgb);
    // It is on the strip, as what it is, and stays there while the photo is learned.
    ASSERT_EQ(first->quick_looks.size(), 1u);
    EXPECT_EQ(first->quick_looks[0].square, first->preview.square);
    EXPECT_EQ(first->quick_looks[0].eta, editor::first_eta());
    EXPECT_EQ(first->quick_looks[0].recipe->mode, editor::Mode::quick);
    EXPECT_TRUE(first->renders.empty());
    // It is no tuning's: going on with one that is begun, there is none.
    wait("some steps", [](const Document& d) { return d.progress.done >= 2; });
    worker->send(editor::StopRequest{});
    wait("the stop", [](const Document& d) {
        return d.activity == Activity::idle && d.tuned == Tuned::partly;
    });
    worker->send(editor::ApplyRequest{draft});
    const auto again = wait("the next picture of the tuning", [](const Document& d) {
        return d.activity == Activity::tuning && d.progress.done > 2 && d.preview.step > 2;
    });
    EXPECT_EQ(again->preview.stage, "embedding");
    EXPECT_EQ(again->quick_looks.size(), 1u);
    editor::EditDraft other = draft;
    other.prompt = "a tulip";
    worker->send(editor::ApplyRequest{other});
    const auto anew = wait("another text", [&](const Document& d) {
        return d.tuned_draft.prompt == other.prompt && !d.quick_looks.empty();
    });
    EXPECT_NE(anew->quick_looks[0].square, first->quick_looks[0].square);
}

TEST_F(WorkerTest, NothingIsTunedOrRenderedTwice) {
    const auto first = apply(open(1));
    const fs::path cache = first->session / "renders/cache";
    const auto files = std::distance(fs::directory_iterator(cache), {});
    // The renders, and where the words belong, if the model is sure of it.
    EXPECT_EQ(files, first->region.words ? 14 : 13);
    worker->send(editor::CloseRequest{});
    wait("an empty window", [](const Document& d) { return !d.photo; });
    const auto written = fs::last_write_time(first->session / "lora.safetensors");
    const auto second = apply(open(1));
    EXPECT_EQ(second->session, first->session);
    EXPECT_EQ(fs::last_write_time(first->session / "lora.safetensors"), written);
    EXPECT_EQ(std::distance(fs::directory_iterator(cache), {}), files);
}

TEST_F(WorkerTest, TheLastLookCountsAndUndoReturns) {
    const auto tuned = apply(open(1));
    const double eta = tuned->eta;
    for (const double next : {0.11, 0.22, 0.33, 0.44}) {
        worker->send(editor::LookRequest{tuned->draft.sample, next, 0});
    }
    wait("the last look", [](const Document& d) { return d.shown.eta == 0.44; });
    watch();
    worker->send(editor::UndoRequest{});
    const auto back = wait("undo", [&](const Document& d) {
        return d.shown.eta != 0.44 && d.activity == Activity::idle;
    });
    EXPECT_LE(back->history.size(), 5u);
    {
        const std::lock_guard lock(fields_mutex);
        EXPECT_EQ(fields.first, back->shown.eta) << "the slider stays where it was";
    }
    worker->send(editor::HistoryRequest{0});
    wait("the first result", [&](const Document& d) { return d.shown.eta == eta; });
    worker->send(editor::RedoRequest{});
    wait("redo", [&](const Document& d) { return d.shown.eta != eta; });
}

TEST_F(WorkerTest, AnotherTextIsAnotherSessionAndUndoReturnsToTheFirst) {
    editor::EditDraft draft = open(1);
    const auto first = apply(draft);
    draft.prompt = "a blue rose";
    worker->send(editor::ApplyRequest{draft});
    const auto second = wait("the other edit", [&](const Document& d) {
        return d.session != first->session && d.renders.size() >= 13;
    });
    EXPECT_EQ(second->history.size(), 2u);
    worker->send(editor::UndoRequest{});
    const auto back = wait(
        "undo", [&](const Document& d) { return d.session == first->session && d.shown.after; });
    EXPECT_EQ(back->draft.prompt, "a red rose");
    EXPECT_EQ(back->shown.after->rgb, first->shown.after->rgb);
}

// Whether a batch of previews saves anything here, so that they fill the strip.
bool previews_fill_the_strip() {
    return pipeline::kernels::best_kernels() != nullptr;
}

TEST_F(WorkerTest, APreviewComesBeforeTheFirstExactPictureOfASeed) {
    editor::EditDraft draft = open(1);
    draft.sample.steps = 11;
    const auto tuned = apply(draft);
    worker->send(editor::LookRequest{tuned->draft.sample, 0.55, 7});
    const auto seen = wait("a preview", [](const Document& d) {
        return d.seed == 7 && !d.previews.empty() && d.previews.front().seed == 7;
    });
    std::vector<double> etas;
    for (const editor::Render& preview : seen->previews) {
        etas.push_back(preview.eta);
        EXPECT_EQ(preview.recipe->sample.steps, editor::preview_steps);
    }
    const bool fill = previews_fill_the_strip();
    if (fill) {
        EXPECT_EQ(etas, (std::vector<double>{0, 0.3, 0.55, 0.6, 0.9, 1.2}));
        const auto mix = editor::preview_mix(*seen, 0.7);
        ASSERT_TRUE(mix);
        EXPECT_EQ(mix->low, seen->previews[3].square);
        EXPECT_EQ(mix->high, seen->previews[4].square);
        EXPECT_NEAR(mix->share, 1.0 / 3, 1e-12);
    } else {
        EXPECT_EQ(etas, (std::vector<double>{0, 0.55}));
    }
    const auto exact = wait("the exact one", [](const Document& d) {
        return d.shown.seed == 7 && d.shown.eta == 0.55 && d.renders.size() >= 14;
    });
    EXPECT_EQ(editor::exact_render(*exact, 0.55)->recipe->sample.steps, 11);
    // Among finished renders there is nothing to preview.
    worker->send(editor::LookRequest{tuned->draft.sample, 0.77, 7});
    const auto next = wait("the next", [](const Document& d) { return d.shown.eta == 0.77; });
    EXPECT_EQ(next->previews.size(), fill ? 6u : 2u);
    EXPECT_EQ(next->previews[fill ? 2 : 1].eta, 0.55);
}

// Before anything is judged or rendered exactly; and where the words belong is known from then on,
// which the export keeps to.
TEST_F(WorkerTest, TheWholeStripIsThereAtOnceAfterTheTuning) {
    worker->send(editor::OpenRequest{KEEPSAKE_ASSETS "/photos/daisy-19813618946.jpg",
                                     "a photo of a red daisy", false});
    const auto opened =
        wait("the photo", [](const Document& d) { return d.photo && !d.defaults.empty(); });
    editor::EditDraft draft = opened->draft;
    for (const editor::EditDraft& each : opened->defaults)
        if (each.tuning.mode == "quick") draft.tuning = each.tuning;
    draft.sample.noise_share = 0;
    worker->send(editor::ApplyRequest{draft});
    const auto seen = wait("previews", [](const Document& d) { return !d.previews.empty(); });
    EXPECT_EQ(seen->tuned, Tuned::fully);
    EXPECT_TRUE(seen->renders.empty());
    EXPECT_FALSE(seen->chosen_eta);
    const int last = previews_fill_the_strip() ? 12 : static_cast<int>(seen->eta * 10);
    for (int tenth = 0; tenth <= last; ++tenth)
        EXPECT_TRUE(editor::preview_mix(*seen, tenth / 10.0)) << tenth;
    const auto done = wait("the strip", [](const Document& d) {
        return d.renders.size() >= 13 && d.activity == Activity::idle;
    });
    ASSERT_TRUE(done->region.words);
    EXPECT_EQ(done->previews.size(), seen->previews.size());
    const fs::path session = done->session;
    worker->send(editor::CloseRequest{});
    worker->send(editor::OpenRequest{session, {}, false});
    const auto again = wait("it again", [](const Document& d) {
        return d.renders.size() >= 13 && d.activity == Activity::idle;
    });
    ASSERT_TRUE(again->region.words);
    EXPECT_EQ(again->region.words->values, done->region.words->values);
}

TEST_F(WorkerTest, VariationsAreRenderedForEverySeed) {
    const auto tuned = apply(open(1));
    worker->send(editor::VariationsRequest{tuned->draft.sample, tuned->eta, {0, 5, 7}});
    const auto document = wait("three", [](const Document& d) {
        return d.variations.size() == 3 && d.variations[0].square && d.variations[1].square &&
               d.variations[2].square;
    });
    EXPECT_EQ(document->variations[0].square->rgb,
              editor::exact_render(*tuned, tuned->eta)->square->rgb);
    EXPECT_NE(document->variations[1].square->rgb, document->variations[2].square->rgb);
}

TEST_F(WorkerTest, FaultsAreNoticesAndItGoesOn) {
    const auto fault = [&](const fs::path& path, const std::string& part) {
        const std::uint64_t before = worker->document()->notice.number;
        worker->send(editor::OpenRequest{path, {}, false});
        const auto document =
            wait("a notice", [&](const Document& d) { return d.notice.number > before; });
        EXPECT_NE(document->notice.text.find(part), std::string::npos) << document->notice.text;
    };
    fault(folder.path / "nothing.jpg", "nothing.jpg");
    fault(folder.path, "is a folder without a session");
    write_bytes(folder.path / "broken.png", "\x89PNG\r\n\x1a\n and no more");
    fault(folder.path / "broken.png", "broken.png");
    fs::create_directory(folder.path / "bad.keepsake");
    write_bytes(folder.path / "bad.keepsake/recipe.json", "{}");
    fault(folder.path / "bad.keepsake", "recipe.json");
    start(folder.path / "no model");
    worker->send(editor::OpenRequest{photo, "a red rose", false});
    const auto document = wait("the photo", [](const Document& d) { return d.photo != nullptr; });
    EXPECT_NE(document->model->fault.find("no model"), std::string::npos);
    worker->send(editor::ModelRequest{{}, true});
    wait("the model", [](const Document& d) {
        return d.model->fault.empty() && !d.defaults.empty() && d.photo;
    });
}

// By their names in the root that KEEPSAKE_FILES says, and into the sessions.
TEST_F(WorkerTest, AModelWithLorasOfTheFilesRoot) {
    const auto before = apply(open(1));
    const fs::path root = folder.path / "root", file = root / "models/Lora/my/mine.safetensors";
    fs::create_directories(file.parent_path());
    fs::copy_file(before->session / "lora.safetensors", file);
    ::setenv("KEEPSAKE_FILES", root.c_str(), 1);
    start();
    const auto listed =
        wait("the names", [](const Document& d) { return !d.files->loras.empty() && d.model; });
    EXPECT_EQ(listed->files->loras, std::vector<std::string>{"my/mine"});
    EXPECT_EQ(listed->model->choice.loras, "");
    worker->send(editor::ModelRequest{{flowers, {}, "mine:0.5"}, false});
    const auto loaded = wait("the LoRA", [](const Document& d) {
        return !d.model->choice.loras.empty() && d.activity == Activity::idle;
    });
    EXPECT_EQ(loaded->model->choice.loras, file.string() + ":0.5");
    const auto edited = apply(open(1));
    const auto loras = editor::load_recipe(edited->session / "recipe.json").changes.loras;
    ASSERT_EQ(loras.size(), 1u);
    EXPECT_EQ(loras[0].path, file);
    EXPECT_EQ(loras[0].weight, 0.5);
    worker->send(editor::ModelRequest{{flowers, {}, "mine, yours"}, false});
    const auto fault = wait("a notice", [&](const Document& d) {
        return d.notice.text.find("\"yours\"") != std::string::npos;
    });
    EXPECT_NE(fault->notice.text.find(root.string()), std::string::npos);
    EXPECT_EQ(fault->model->choice.loras, loaded->model->choice.loras);
    worker->send(editor::ModelRequest{{flowers, {}, {}}, false});
    wait("none", [](const Document& d) { return d.model->choice.loras.empty(); });
    ::unsetenv("KEEPSAKE_FILES");
}

// A session that fails half-way: the photo, the session and the history are those of before.
TEST_F(WorkerTest, ASessionThatCannotBeOpenedLeavesTheOneBefore) {
    const auto before = apply(open(1));
    const fs::path good = before->session, bad = folder.path / "bad.keepsake";
    const auto copy = [&](const auto& spoil) {
        fs::remove_all(bad);
        fs::copy(good, bad, fs::copy_options::recursive);
        spoil();
        const std::uint64_t number = worker->document()->notice.number;
        worker->send(editor::OpenRequest{bad, {}, false});
        return wait("a notice", [&](const Document& d) {
            return d.notice.number > number && d.activity == Activity::idle;
        });
    };
    const auto with_recipe = [&](const char* pointer, const nlohmann::json& value) {
        nlohmann::json recipe = nlohmann::json::parse(read_file(bad / "recipe.json"));
        recipe[nlohmann::json::json_pointer(pointer)] = value;
        write_bytes(bad / "recipe.json", recipe.dump());
    };
    for (const auto& spoil : std::vector<std::function<void()>>{
             [&] { with_recipe("/keepsake/prompt", "  "); },
             [&] { with_recipe("/keepsake/sample/sampler", "magic"); },
             [&] { with_recipe("/keepsake/crop/x", 90); },
             [&] { with_recipe("/keepsake/model/fingerprint", "0"); },
             [&] { write_bytes(bad / "photo.png", "no photo"); }}) {
        const auto after = copy(spoil);
        EXPECT_EQ(after->notice.kind, editor::Notice::Kind::fault) << after->notice.text;
        EXPECT_EQ(after->photo, before->photo) << after->notice.text;
        EXPECT_EQ(after->session, good);
        EXPECT_EQ(after->history.size(), before->history.size());
        EXPECT_EQ(after->shown.after, before->shown.after);
        EXPECT_EQ(after->draft_revision, before->draft_revision);
    }
    // It goes on as if nothing had been.
    worker->send(editor::LookRequest{before->draft.sample, 0.25, 0});
    wait("a look", [](const Document& d) { return d.shown.eta == 0.25; });
    // One bad entry of a history is no reason.
    const auto opened = copy([&] {
        nlohmann::json history = nlohmann::json::parse(read_file(bad / "history.json"));
        nlohmann::json entry = history["results"][0];
        entry["sampler"] = "magic";
        history["results"].insert(history["results"].begin(), entry);
        write_bytes(bad / "history.json", history.dump());
    });
    EXPECT_EQ(opened->session, bad);
    EXPECT_EQ(opened->history.size(), 2u);
    EXPECT_NE(opened->notice.text.find("1 result of this session's history"), std::string::npos)
        << opened->notice.text;
}

// To undo, a session of before is opened; when it is gone, what is shown stays, and so does redo.
TEST_F(WorkerTest, AnUndoThatFailsUndoesNothing) {
    editor::EditDraft draft = open(1);
    const auto first = apply(draft);
    draft.prompt = "a blue rose";
    worker->send(editor::ApplyRequest{draft});
    const auto second = wait("the other edit", [&](const Document& d) {
        return d.session != first->session && d.renders.size() >= 13 && d.shown.after &&
               d.activity == Activity::idle;
    });
    fs::rename(first->session, folder.path / "away");
    worker->send(editor::UndoRequest{});
    const auto failed = wait(
        "a notice", [&](const Document& d) { return d.notice.number > second->notice.number; });
    EXPECT_EQ(failed->session, second->session);
    EXPECT_EQ(failed->history_at, second->history_at);
    fs::rename(folder.path / "away", first->session);
    worker->send(editor::UndoRequest{});
    wait("undo", [&](const Document& d) { return d.session == first->session && d.shown.after; });
}

}  // namespace
}  // namespace keepsake::testing
