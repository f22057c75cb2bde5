// The Worker with the bundled model on a small photo, as a window uses it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "editor/workbench/worker.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {

class WorkerTest : public ::testing::Test {
  protected:
    WorkerTest() {
        save_photo(photo, quarters(96, 80));
        start();
    }
    void start(const std::filesystem::path& model = flowers) {
        watched = nullptr;
        worker.reset();
        worker = std::make_unique<editor::Worker>(
            editor::WorkerOptions{model, folder.path / "library", "cpu"}, [this] {
                ++changes;
                const editor::Worker* from = watched;
                if (from) take_over(*from->document());
            });
    }

    // What a window that drew each Document would take over into its fields, from here on.
    void watch() { watched = worker.get(); }
    void take_over(const editor::Document& document) {
        const std::lock_guard lock(fields_mutex);
        if (std::exchange(fields_revision, document.draft_revision) != document.draft_revision)
            fields = {document.eta, document.seed};
    }

    // The first Document of which `holds` is true; the test fails when none comes.
    std::shared_ptr<const editor::Document> wait(
        const char* what, const std::function<bool(const editor::Document&)>& holds) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(5);
        while (std::chrono::steady_clock::now() < end) {
            const auto document = worker->document();
            if (holds(*document)) return document;
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        ADD_FAILURE() << "waited for " << what << "; notice: " << worker->document()->notice.text;
        return worker->document();
    }

    editor::EditDraft open(std::int64_t steps) {
        worker->send(editor::OpenRequest{photo, "a red rose", false});
        const auto document = wait(
            "the photo", [](const editor::Document& d) { return d.photo && !d.defaults.empty(); });
        editor::EditDraft draft = document->draft;
        draft.tuning.size = 64;
        draft.tuning.embedding_steps = draft.tuning.finetune_steps = steps;
        draft.sample.steps = 2;
        return draft;
    }

    std::shared_ptr<const editor::Document> apply(const editor::EditDraft& draft) {
        worker->send(editor::ApplyRequest{draft});
        return wait("the strip", [](const editor::Document& d) {
            return d.tuned == editor::Tuned::fully && d.renders.size() >= 13 && d.shown.after &&
                   d.activity == editor::Activity::idle;
        });
    }

    const TemporaryFolder folder;
    const std::filesystem::path photo = folder.path / "photo.png";
    std::atomic<int> changes = 0;
    std::atomic<const editor::Worker*> watched = nullptr;
    std::mutex fields_mutex;
    std::uint64_t fields_revision = 0;
    std::pair<double, std::uint64_t> fields;  // strength and seed
    std::unique_ptr<editor::Worker> worker;
};

}  // namespace keepsake::testing
