// Ctrl-C as a request to stop.
#pragma once

#include <atomic>
#include <stop_token>
#include <thread>

namespace keepsake::editor {

// While it lives, SIGINT, SIGTERM and SIGHUP request a stop instead of ending the program; further
// ones change nothing, so that an impatient second Ctrl-C cannot cut off the saving. Make it before
// any other thread: the threads made later inherit that these signals are not theirs.
class Interrupt {
  public:
    Interrupt();
    ~Interrupt();

    // Whoever takes it stops in order. While nobody has, a signal ends the program at once.
    std::stop_token token() const {
        listened_ = true;
        return source_.get_token();
    }
    // The exit status of a stopped program: 128 + the signal, 130 for Ctrl-C.
    int exit_status() const { return 128 + signal_; }

  private:
    std::stop_source source_;
    mutable std::atomic<bool> listened_ = false;
    std::atomic<int> signal_;
    std::jthread watcher_;
};

}  // namespace keepsake::editor
