// The editor behind a window: takes requests, works on threads of its own, publishes Documents.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "editor/workbench/document_board.h"
#include "editor/workbench/requests.h"

namespace keepsake::editor {

struct Bench;       // editor/workbench/bench.h
class QueueFile;    // editor/workbench/queue_file.h
class RecentShelf;  // editor/workbench/file_tasks.h

struct WorkerOptions {
    std::filesystem::path model;        // empty: the default model
    std::filesystem::path library;      // where sessions are made; empty: default_library()
    std::string device = "auto";        // "cpu", "cuda" or "auto"
    std::string precision = "float32";  // "float32", "bfloat16" or "auto"
    bool queue = true;                  // goes on with the library's queue
};

// Three threads: one tunes and renders; one has the light table, and one reads folders and writes
// exports, so that these never wait for a tuning. All run at a low priority. Errors end in
// Document::notice.
class Worker {
  public:
    // changed: called after each new Document, on a thread of the worker.
    Worker(const WorkerOptions& options, std::function<void()> changed);
    // Stops what is under way, after it has been saved, and writes the exports that wait.
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    std::shared_ptr<const Document> document() const { return board_.latest(); }
    // Returns at once.
    void send(Request request);

  private:
    enum class Running { nothing, tuning, rendering, queue, teaching };
    struct FileTask {
        Request request;
        std::shared_ptr<const Document> document;
    };

    void run_bench(std::stop_token stop);
    void run_files(std::stop_token stop);
    std::optional<FileTask> next_file_task(std::stop_token stop);
    void run_light_table(std::stop_token stop);
    std::stop_token start(Running what);
    void take_looks();
    bool interrupts(const Request& request) const;
    void take_queue_request(const Request& request);
    void keep_queue();

    void note_change();

    std::function<void()> changed_;
    DocumentBoard board_;
    std::unique_ptr<Bench> bench_;
    std::unique_ptr<RecentShelf> recent_;
    std::unique_ptr<QueueFile> queue_file_;  // null: there is no queue
    std::mutex mutex_;                       // of everything below
    std::condition_variable_any wake_;
    std::deque<Request> requests_;
    std::deque<FileTask> file_tasks_;
    Running running_ = Running::nothing;
    bool closing_ = false;
    bool queue_changed_ = false;
    std::stop_source job_;
    std::mutex table_mutex_;  // of these three
    std::condition_variable_any table_wake_;
    std::deque<LightTableRequest> table_requests_;
    bool document_changed_ = false;
    std::jthread bench_thread_, file_thread_, table_thread_;
};

}  // namespace keepsake::editor
