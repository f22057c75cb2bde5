// What each of the Worker's threads does until it is to stop.
#include "editor/session/bundled_model.h"
#include "editor/workbench/file_tasks.h"
#include "editor/workbench/light_table.h"
#include "editor/workbench/my_words.h"
#include "editor/workbench/queue_file.h"
#include "editor/workbench/queue_run.h"
#include "editor/workbench/teach_files.h"
#include "editor/workbench/worker.h"
#include "editor/workbench/worker_edge.h"

namespace keepsake::editor {
namespace {

struct Handle {
    Bench& bench;

    void operator()(const OpenRequest& request) const { open_path(bench, request); }
    void operator()(const CloseRequest&) const { close_photo(bench); }
    void operator()(const ApplyRequest& request) const { apply_edit(bench, request.draft); }
    void operator()(const StopRequest&) const { want_nothing(bench); }
    void operator()(const LookRequest& request) const { look_at(bench, request); }
    void operator()(const VariationsRequest& request) const { begin_variations(bench, request); }
    void operator()(const UndoRequest&) const { undo(bench); }
    void operator()(const RedoRequest&) const { redo(bench); }
    void operator()(const HistoryRequest& request) const { go_to(bench, request.index); }
    void operator()(const ModelRequest& request) const {
        ModelChoice choice = request.choice;
        if (request.bundled) choice.path = bundled_model();
        change_model(bench, choice, request.change);
    }
    void operator()(const FindMaskRequest&) const { want_mask(bench); }
    void operator()(const TeachStartRequest& request) const { begin_teaching(bench, request); }
    void operator()(const TeachStopRequest&) const { stop_teaching(bench); }
    void operator()(const TeachCaptionRequest& request) const { begin_captions(bench, request); }
    void operator()(const TeachCaptionStopRequest&) const { stop_captions(bench); }
    // Of other threads.
    void operator()(const FolderRequest&) const {}
    void operator()(const PictureRequest&) const {}
    void operator()(const TakeOfferRequest&) const {}
    void operator()(const FileNamesRequest&) const {}
    void operator()(const ExportRequest&) const {}
    void operator()(const TeachAddRequest&) const {}
    void operator()(const MyWordRequest&) const {}
    void operator()(const QueueKeepRequest&) const {}
    // Done as they are sent.
    void operator()(const QueueAddRequest&) const {}
    void operator()(const QueueTextsRequest&) const {}
    void operator()(const QueueChangeRequest&) const {}
    void operator()(const QueueRunRequest&) const {}
    void operator()(const LightTableRequest&) const {}
};

// Of what was just written, what it kept of the photo: shown, and told in a line.
void tell_proof(DocumentBoard& board, const Document& document, const ExportRequest& request) {
    const auto proof = std::make_shared<const ExportProof>(compare_export(document, request));
    board.change([&](Document& now) {
        const bool newest =
            now.exported.kind == ExportState::Kind::written && now.exported.path == request.path;
        if (newest) now.exported.proof = proof;
    });
    // Of a file that another program waits for everything is to stay; elsewhere a person may have
    // chosen a format that holds less.
    const bool is_well = request.in_place ? is_as_expected(*proof) : outside_stayed(*proof);
    board.tell(is_well ? Notice::Kind::note : Notice::Kind::fault, proof_text(*proof));
}

void export_to(DocumentBoard& board, const Document& document, const ExportRequest& request,
               const std::stop_token& stop) {
    const auto show = [&](ExportState::Kind kind, const std::string& fault) {
        board.change([&](Document& now) { now.exported = {kind, request.path, fault}; });
    };
    bool written = false;
    try {
        written = export_picture(document, request);
        show(written ? ExportState::Kind::written : ExportState::Kind::exists, {});
    } catch (const std::exception& error) {
        show(ExportState::Kind::failed, error.what());
        // No dialog is open that would show it.
        if (request.in_place) board.tell(Notice::Kind::fault, error.what());
    }
    const bool looked_at = !stop.stop_requested();
    if (written && looked_at && request.kind == ExportKind::photo)
        tell_proof(board, document, request);
}

void change_word(DocumentBoard& board, const std::filesystem::path& library,
                 const MyWordRequest& request) {
    if (request.kind == MyWordRequest::Kind::remove)
        delete_my_word(library, request.name);
    else
        set_strength(library, request.name, request.strength);
    show_words(board, library);
    // Of a run that went with its word nothing is left to show.
    std::error_code code;
    const std::filesystem::path run = board.latest()->teach.run.folder;
    const bool gone = !run.empty() && !std::filesystem::exists(run, code) && !code;
    if (gone) board.change([](Document& document) { document.teach.run = {}; });
}

// A photo of this path, not a session.
bool is_open(const Bench& bench, const std::filesystem::path& path) {
    return bench.photo && !bench.session && bench.photo->file->path == path;
}

}  // namespace

// While a tuning runs, the eta of its previews follows the slider.
void Worker::take_looks() {
    bool taken = false;
    {
        const std::lock_guard lock(mutex_);
        while (!requests_.empty() && std::holds_alternative<LookRequest>(requests_.front())) {
            bench_->look = std::get<LookRequest>(requests_.front());
            requests_.pop_front();
            taken = true;
        }
    }
    if (taken) board_.change([&](Document& document) { document.eta = bench_->look.eta; });
}

void Worker::run_bench(std::stop_token stop) {
    Bench& bench = *bench_;
    while (!stop.stop_requested()) {
        std::optional<Request> request;
        {
            std::unique_lock lock(mutex_);
            const bool work = bench.wants_tuning || wants_render(bench) || wants_queue(bench) ||
                              wants_teaching(bench) || wants_captions(bench);
            if (!work && requests_.empty()) {
                lock.unlock();
                set_activity(board_, Activity::idle);
                lock.lock();
                wake_.wait(lock, stop, [&] { return !requests_.empty() || queue_changed_; });
            }
            queue_changed_ = false;
            if (stop.stop_requested()) return;
            if (!requests_.empty()) {
                request = std::move(requests_.front());
                requests_.pop_front();
            }
        }
        if (request) {
            if (!std::holds_alternative<LookRequest>(*request)) {
                set_activity(board_, Activity::loading);
            }
            guarded(bench, [&] { std::visit(Handle{bench}, *request); });
            const auto* opened = std::get_if<OpenRequest>(&*request);
            if (opened && !opened->apply && is_open(bench, opened->path))
                send(PictureRequest{opened->path, false});
            const bool recent_changed = std::holds_alternative<OpenRequest>(*request) ||
                                        std::holds_alternative<ApplyRequest>(*request) ||
                                        std::holds_alternative<CloseRequest>(*request);
            if (recent_changed) guarded(bench, [&] { recent_->show(recent_->read()); });
        } else if (bench.wants_tuning) {
            Monitor monitor([this](const Progress&) { take_looks(); }, start(Running::tuning));
            set_activity(board_, Activity::tuning);
            guarded(
                bench, [&] { tune_session(bench, monitor); }, Notice::Kind::stopped);
        } else if (wants_render(bench)) {
            Monitor monitor({}, start(Running::rendering));
            set_activity(board_, Activity::rendering);
            guarded(bench, [&] { render_next(bench, monitor); });
        } else if (wants_queue(bench)) {
            Monitor monitor({}, start(Running::queue));
            set_activity(board_, Activity::queue);
            guarded(bench, [&] { work_on_queue(bench, monitor); });
            guarded(bench, [&] { recent_->show(recent_->read()); });
            keep_queue();
        } else if (wants_captions(bench)) {
            set_activity(board_, Activity::captioning);
            guarded(bench, [&] { caption_next(bench); });
        } else if (wants_teaching(bench)) {
            Monitor monitor({}, start(Running::teaching));
            set_activity(board_, Activity::teaching);
            guarded(bench, [&] { teach(bench, monitor); });
        }
        const std::lock_guard lock(mutex_);
        running_ = Running::nothing;
    }
}

// None when the worker ends. The exports that wait are written even then: whoever pressed Export
// and closed the window counts on the file. Nobody looks at folders any more.
std::optional<Worker::FileTask> Worker::next_file_task(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, stop, [&] { return !file_tasks_.empty(); });
    if (stop.stop_requested()) {
        std::erase_if(file_tasks_, [](const FileTask& task) {
            return std::holds_alternative<FolderRequest>(task.request) ||
                   std::holds_alternative<PictureRequest>(task.request) ||
                   std::holds_alternative<TakeOfferRequest>(task.request) ||
                   std::holds_alternative<FileNamesRequest>(task.request) ||
                   std::holds_alternative<TeachAddRequest>(task.request);
        });
    }
    if (file_tasks_.empty()) return std::nullopt;
    FileTask task = std::move(file_tasks_.front());
    file_tasks_.pop_front();
    return task;
}

void Worker::run_files(std::stop_token stop) {
    const auto more_urgent = [&] {
        const std::lock_guard lock(mutex_);
        return stop.stop_requested() || !file_tasks_.empty();
    };
    while (const std::optional<FileTask> task = next_file_task(stop)) {
        at_edge(board_, [&] {
            if (const auto* folder = std::get_if<FolderRequest>(&task->request)) {
                list_folder(board_, folder->path, more_urgent);
            } else if (const auto* picture = std::get_if<PictureRequest>(&task->request)) {
                if (!offer_settings(board_, picture->path, picture->asks) && picture->asks)
                    send(OpenRequest{picture->path, {}, false});
            } else if (std::holds_alternative<TakeOfferRequest>(task->request)) {
                take_offered(board_, *task->document, [&] { return stop.stop_requested(); });
            } else if (std::holds_alternative<FileNamesRequest>(task->request)) {
                list_file_names(board_);
            } else if (const auto* file = std::get_if<ExportRequest>(&task->request)) {
                export_to(board_, *task->document, *file, stop);
            } else if (const auto* pictures = std::get_if<TeachAddRequest>(&task->request)) {
                offer_pictures(board_, bench_->library, pictures->places,
                               [&] { return stop.stop_requested(); });
            } else if (const auto* word = std::get_if<MyWordRequest>(&task->request)) {
                change_word(board_, bench_->library, *word);
            } else if (std::holds_alternative<QueueKeepRequest>(task->request)) {
                if (queue_file_) queue_file_->save(*board_.latest()->queue);
                if (!read_queue_pictures(board_, more_urgent) && !stop.stop_requested())
                    keep_queue();
            }
        });
    }
}

void Worker::run_light_table(std::stop_token stop) {
    LightTable table{board_};
    const auto guarded_by_notice = [&](const auto& work) {
        try {
            return work();
        } catch (const std::exception& error) {
            table.visible = {};
            board_.tell(Notice::Kind::fault, error.what());
            return false;
        }
    };
    bool more = false;
    while (true) {
        std::deque<LightTableRequest> requests;
        {
            std::unique_lock lock(table_mutex_);
            const auto is_asked = [&] { return document_changed_ || !table_requests_.empty(); };
            if (!more && table.unsaved.empty()) {
                table_wake_.wait(lock, stop, is_asked);
            } else if (!more) {
                table_wake_.wait_for(lock, stop, save_pause, is_asked);
            }
            if (stop.stop_requested() && table_requests_.empty()) break;
            document_changed_ = false;
            requests.swap(table_requests_);
        }
        for (const LightTableRequest& request : requests) {
            guarded_by_notice([&] { return take(table, request), true; });
        }
        more = guarded_by_notice([&] { return work(table); });
    }
    guarded_by_notice([&] { return save(table), true; });
}

}  // namespace keepsake::editor
