#include "editor/commands/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

namespace keepsake::editor {
namespace {

sigset_t stopping_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
        // nohup's promise is kept: what is ignored stays ignored.
        struct sigaction action {};
        if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
        sigaddset(&signals, signal);
    }
    return signals;
}

}  // namespace

Interrupt::Interrupt() : signal_(SIGINT) {
    const sigset_t signals = stopping_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    watcher_ = std::jthread([this, signals](const std::stop_token& ended) {
        const timespec tick{0, 50'000'000};
        while (!ended.stop_requested()) {
            const int signal = sigtimedwait(&signals, nullptr, &tick);
            if (signal <= 0 || source_.stop_requested()) continue;
            if (!listened_) ::_exit(128 + signal);
            signal_ = signal;
            source_.request_stop();
        }
    });
}

Interrupt::~Interrupt() {
    watcher_.request_stop();
    watcher_.join();
}

}  // namespace keepsake::editor
