// The Worker with the bundled model, as a window uses it.
#include "editor/workbench/worker.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <set>

#include "editor/photo/image_file.h"
#include "editor/session/session.h"
#include "editor/workbench/bench.h"
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

TEST_F(WorkerTest, NothingIsTunedOrRenderedTwice) {
    const auto first = apply(open(1));
    const fs::path cache = first->session / "renders/cache";
    const auto files = std::distance(fs::directory_iterator(cache), {});
    EXPECT_EQ(files, 13);
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
    worker->send(editor::UndoRequest{});
    const auto back = wait("undo", [&](const Document& d) { return d.shown.eta != 0.44; });
    EXPECT_LE(back->history.size(), 5u);
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
        return d.session != first->session && d.renders.size() == 13;
    });
    EXPECT_EQ(second->history.size(), 2u);
    worker->send(editor::UndoRequest{});
    const auto back = wait(
        "undo", [&](const Document& d) { return d.session == first->session && d.shown.after; });
    EXPECT_EQ(back->draft.prompt, "a red rose");
    EXPECT_EQ(back->shown.after->rgb, first->shown.after->rgb);
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

TEST_F(WorkerTest, ExportAsksBeforeItOverwrites) {
    apply(open(1));
    const fs::path out = folder.path / "mine.png";
    write_bytes(out, "mine");
    editor::ExportRequest request{editor::ExportKind::square, out, std::nullopt, false};
    const auto sent = [&](editor::ExportState::Kind kind) {
        worker->send(request);
        wait("the export", [&](const Document& d) {
            return d.exported.kind == kind && d.exported.path == request.path;
        });
    };
    sent(editor::ExportState::Kind::exists);
    EXPECT_EQ(fs::file_size(out), 4u);
    request.overwrite = true;
    sent(editor::ExportState::Kind::written);
    const auto document = worker->document();
    EXPECT_EQ(editor::load_photo(out).pixels.rgb,
              editor::exact_render(*document, document->eta)->square->rgb);
    // The photo itself: its own size, and the same pixels as the comparison shows.
    request.kind = editor::ExportKind::photo;
    request.path = folder.path / "photo-edited.png";
    sent(editor::ExportState::Kind::written);
    const editor::Photo whole = editor::load_photo(request.path);
    EXPECT_EQ(whole.pixels.width, 96);
    EXPECT_EQ(whole.pixels.rgb, document->shown.after->rgb);
    request.path = folder.path / "no/such/folder/a.png";
    sent(editor::ExportState::Kind::failed);
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

TEST_F(WorkerTest, AFolderIsListedWithThumbnails) {
    fs::create_directory(folder.path / "sub");
    write_bytes(folder.path / "notes.txt", "no photo");
    write_bytes(folder.path / "broken.jpg", "no photo either");
    worker->send(editor::FolderRequest{folder.path});
    const auto document = wait("the thumbnail", [](const Document& d) {
        return d.folder.items.size() >= 3 && d.folder.items.back().thumbnail;
    });
    EXPECT_EQ(document->folder.items[0].kind, editor::ShelfItem::Kind::folder);
    EXPECT_EQ(document->folder.items.back().title, "photo.png");
    for (const auto& item : document->folder.items) EXPECT_NE(item.title, "notes.txt");
}

}  // namespace
}  // namespace keepsake::testing
