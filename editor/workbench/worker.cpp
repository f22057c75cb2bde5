#include "editor/workbench/worker.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "editor/edit/device.h"
#include "editor/session/recent_sessions.h"
#include "editor/workbench/file_tasks.h"
#include "editor/workbench/my_words.h"
#include "editor/workbench/queue_file.h"
#include "editor/workbench/queue_run.h"
#include "editor/workbench/teach_files.h"
#include "editor/workbench/worker_edge.h"
#include "pipeline/model/threads.h"

namespace keepsake::editor {
namespace {

constexpr int in_background = 5;
constexpr int for_the_eye = 2;  // somebody looks at what it makes

bool is_file_task(const Request& request) {
    return std::holds_alternative<FolderRequest>(request) ||
           std::holds_alternative<PictureRequest>(request) ||
           std::holds_alternative<TakeOfferRequest>(request) ||
           std::holds_alternative<FileNamesRequest>(request) ||
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
                change_model(*bench_, {options.model, {}, {}});
            });
            run_bench(stop);
        });
    });
    file_thread_ = std::jthread([this](std::stop_token stop) {
        lower_priority(in_background);
        at_edge(board_, [&] { list_samples(board_); });
        at_edge(board_, [&] { recent_->show(recent_->read()); });
        at_edge(board_, [&] { show_words(board_, bench_->library); });
        at_edge(board_, [&] { list_file_names(board_); });
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
        std::holds_alternative<TeachStopRequest>(request) ||
        std::holds_alternative<TeachCaptionStopRequest>(request))
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
        const auto lists = [](const FileTask& task) {
            return std::holds_alternative<FileNamesRequest>(task.request);
        };
        // One listing that has not begun is enough.
        if (std::holds_alternative<FileNamesRequest>(request) &&
            std::ranges::any_of(file_tasks_, lists))
            return;
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

}  // namespace keepsake::editor
