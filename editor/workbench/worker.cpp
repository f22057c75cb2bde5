#include "editor/workbench/worker.h"

#include <ATen/Parallel.h>
#include <sys/resource.h>
#include <unistd.h>

#include <new>

#include "editor/edit/device.h"
#include "editor/session/bundled_model.h"
#include "editor/session/recent_sessions.h"
#include "editor/workbench/bench.h"
#include "editor/workbench/file_tasks.h"
#include "editor/workbench/light_table.h"
#include "editor/workbench/my_words.h"
#include "editor/workbench/queue_file.h"
#include "editor/workbench/queue_run.h"
#include "editor/workbench/teach_files.h"
#include "pipeline/model/threads.h"

namespace keepsake::editor {
namespace {

// Of the thread that calls it and of those it makes, which OpenMP's are: a window that shares the
// cores is drawn first.
void lower_priority(int by) {
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), by);
}

constexpr int in_background = 5;
constexpr int for_the_eye = 2;  // somebody looks at what it makes

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
        change_model(bench, request.bundled ? bundled_model() : request.path);
    }
    void operator()(const FindMaskRequest&) const { want_mask(bench); }
    void operator()(const TeachStartRequest& request) const { begin_teaching(bench, request); }
    void operator()(const TeachStopRequest&) const { stop_teaching(bench); }
    // Of other threads.
    void operator()(const FolderRequest&) const {}
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

bool is_file_task(const Request& request) {
    return std::holds_alternative<FolderRequest>(request) ||
           std::holds_alternative<ExportRequest>(request) ||
           std::holds_alternative<TeachAddRequest>(request) ||
           std::holds_alternative<MyWordRequest>(request) ||
           std::holds_alternative<QueueKeepRequest>(request);
}

bool is_queue_request(const Request& request) {
    return std::holds_alternative<QueueAddRequest>(request) ||
           std::holds_alternative<QueueTextsRequest>(request) ||
           std::holds_alternative<QueueChangeRequest>(request) ||
           std::holds_alternative<QueueRunRequest>(request);
}

EditQueue changed_by(EditQueue queue, const Request& request) {
    if (const auto* add = std::get_if<QueueAddRequest>(&request))
        return changed(std::move(queue), *add);
    if (const auto* texts = std::get_if<QueueTextsRequest>(&request))
        return changed(std::move(queue), *texts);
    if (const auto* one = std::get_if<QueueChangeRequest>(&request))
        return changed(std::move(queue), *one);
    return changed(std::move(queue), std::get<QueueRunRequest>(request));
}

// What a request or a piece of work throws becomes a line for the person.
void guarded(Bench& bench, const std::function<void()>& work,
             Notice::Kind fault = Notice::Kind::fault) {
    try {
        work();
    } catch (const Cancelled&) {
        if (bench.session) show_session(bench);
    } catch (const std::exception& error) {
        want_nothing(bench);
        bench.board.tell(fault, error.what());
    }
}

// The edge of a thread (house rule 9): whatever is thrown within ends in a line for the person.
template <class Work>
void at_edge(DocumentBoard& board, const Work& work) {
    try {
        work();
    } catch (const std::exception& error) {
        try {
            board.tell(Notice::Kind::fault, error.what());
        } catch (const std::bad_alloc&) {
            // Not even for that line is there memory.
        }
    }
}

void set_activity(DocumentBoard& board, Activity activity) {
    if (board.latest()->activity == activity) return;
    board.change([&](Document& document) {
        document.activity = activity;
        if (activity != Activity::tuning) document.progress = {};
    });
}

void export_to(DocumentBoard& board, const Document& document, const ExportRequest& request) {
    const auto show = [&](ExportState::Kind kind, const std::string& fault) {
        board.change([&](Document& now) { now.exported = {kind, request.path, fault}; });
    };
    try {
        const bool written = export_picture(document, request);
        show(written ? ExportState::Kind::written : ExportState::Kind::exists, {});
    } catch (const std::exception& error) {
        show(ExportState::Kind::failed, error.what());
        // No dialog is open that would show it.
        if (request.in_place) board.tell(Notice::Kind::fault, error.what());
    }
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

}  // namespace

Worker::Worker(const WorkerOptions& options, std::function<void()> changed)
    : changed_(std::move(changed)), board_([this] { note_change(); }), bench_(new Bench{board_}) {
    bench_->library = options.library.empty() ? default_library() : options.library;
    recent_ = std::make_unique<RecentShelf>(board_, bench_->library);
    if (options.queue) {
        queue_file_ = std::make_unique<QueueFile>(bench_->library);
        change_queue(board_, [&](const EditQueue&) { return queue_file_->load(); });
        file_tasks_.push_back({QueueKeepRequest{}, board_.latest()});
    }
    bench_thread_ = std::jthread([this, options](std::stop_token stop) {
        at_edge(board_, [&] {
            lower_priority(in_background);
            set_activity(board_, Activity::loading);
            guarded(*bench_, [&] {
                // Until a model is loaded with which to measure.
                at::set_num_threads(pipeline::default_threads());
                bench_->compute.device = find_device(options.device, "device cuda");
                bench_->compute.arithmetic = find_arithmetic(
                    options.precision, bench_->compute.device, "precision bfloat16");
                change_model(*bench_, options.model);
            });
            run_bench(stop);
        });
    });
    file_thread_ = std::jthread([this](std::stop_token stop) {
        lower_priority(in_background);
        at_edge(board_, [&] { list_samples(board_); });
        at_edge(board_, [&] { recent_->show(recent_->read()); });
        at_edge(board_, [&] { show_words(board_, bench_->library); });
        run_files(stop);
    });
    table_thread_ = std::jthread([this](std::stop_token stop) {
        lower_priority(for_the_eye);
        at_edge(board_, [&] { run_light_table(stop); });
    });
}

Worker::~Worker() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
        job_.request_stop();
    }
    bench_thread_.request_stop();
    file_thread_.request_stop();
    table_thread_.request_stop();
    bench_thread_.join();
    file_thread_.join();
    table_thread_.join();
}

void Worker::note_change() {
    {
        const std::lock_guard lock(table_mutex_);
        document_changed_ = true;
    }
    table_wake_.notify_one();
    if (changed_) changed_();
}

// A new look makes a render of an old one pointless, but not a tuning, whose previews follow it.
bool Worker::interrupts(const Request& request) const {
    if (running_ == Running::nothing) return false;
    if (is_queue_request(request)) {
        const EditQueue& queue = *board_.latest()->queue;
        if (running_ == Running::queue) return !is_wanted(queue);
        return running_ == Running::teaching && next_edit(queue);
    }
    // It is saved, waits for the edit that is asked for, and goes on.
    if (running_ == Running::teaching || running_ == Running::queue) return true;
    if (std::holds_alternative<TeachStartRequest>(request) ||
        std::holds_alternative<TeachStopRequest>(request))
        return false;
    const bool look = std::holds_alternative<LookRequest>(request) ||
                      std::holds_alternative<VariationsRequest>(request) ||
                      std::holds_alternative<FindMaskRequest>(request);
    return !look || running_ == Running::rendering;
}

void Worker::send(Request request) {
    if (auto* of_table = std::get_if<LightTableRequest>(&request)) {
        const auto* region = std::get_if<RegionRequest>(of_table);
        const bool automatic = region && region->settings.mode == RegionMode::automatic;
        {
            const std::lock_guard lock(table_mutex_);
            table_requests_.push_back(std::move(*of_table));
        }
        table_wake_.notify_one();
        if (automatic && !board_.latest()->region.automatic) send(FindMaskRequest{});
        return;
    }
    if (is_queue_request(request)) return take_queue_request(request);
    // At once: who asked must not take the answer to an older request of this name for theirs.
    if (const auto* file = std::get_if<ExportRequest>(&request)) {
        board_.change([&](Document& now) {
            now.exported = {ExportState::Kind::under_way, file->path, {}};
        });
    }
    const std::lock_guard lock(mutex_);
    if (is_file_task(request)) {
        file_tasks_.push_back({std::move(request), board_.latest()});
    } else {
        if (interrupts(request)) job_.request_stop();
        // Of looks that nobody has begun with, the last one counts.
        if (std::holds_alternative<LookRequest>(request) && !requests_.empty() &&
            std::holds_alternative<LookRequest>(requests_.back())) {
            requests_.pop_back();
        }
        requests_.push_back(std::move(request));
    }
    wake_.notify_all();
}

// At once, whatever is under way: the list is the Document's.
void Worker::take_queue_request(const Request& request) {
    at_edge(board_, [&] {
        change_queue(board_,
                     [&](EditQueue queue) { return changed_by(std::move(queue), request); });
    });
    {
        const std::lock_guard lock(mutex_);
        if (interrupts(request)) job_.request_stop();
        queue_changed_ = true;
    }
    keep_queue();
}

void Worker::keep_queue() {
    {
        const std::lock_guard lock(mutex_);
        const bool waits = !file_tasks_.empty() &&
                           std::holds_alternative<QueueKeepRequest>(file_tasks_.back().request);
        if (!waits) file_tasks_.push_back({QueueKeepRequest{}, board_.latest()});
    }
    wake_.notify_all();
}

// Names what begins now, unless a request came in between: then its stop is already asked for.
std::stop_token Worker::start(Running what) {
    const std::lock_guard lock(mutex_);
    running_ = what;
    job_ = std::stop_source();
    if (closing_) job_.request_stop();
    for (const Request& request : requests_) {
        if (interrupts(request)) job_.request_stop();
    }
    return job_.get_token();
}

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
                              wants_teaching(bench);
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
            } else if (const auto* file = std::get_if<ExportRequest>(&task->request)) {
                export_to(board_, *task->document, *file);
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
