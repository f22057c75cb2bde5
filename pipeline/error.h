// The one exception type of Keepsake, and the one way that long work reports and stops.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>

namespace keepsake {

// What went wrong, with the noun in it: `what` names the thing (a file, a tensor, an option), `why`
// says what is the matter and, where there is one, the way out. Printed as "what: why".
struct Error : std::runtime_error {
    Error(std::string_view what, std::string_view why)
        : std::runtime_error(std::string(what) + ": " + std::string(why)) {}
};

// The user stopped the work. Thrown by Monitor::step, caught where the work was started.
struct Cancelled : std::runtime_error {
    Cancelled() : std::runtime_error("stopped") {}
};

// One report of long work: `done` of `total` steps of the stage `note` are finished.
struct Progress {
    std::int64_t done = 0;
    std::int64_t total = 0;
    std::string_view note;  // stage name, then details: "embedding", "finetune loss 0.123"
};

// Report and cancel in one call. A default Monitor reports to nobody and never cancels.
class Monitor {
  public:
    using Report = std::function<void(const Progress&)>;

    Monitor() = default;
    explicit Monitor(Report report, std::stop_token stop = {})
        : report_(std::move(report)), stop_(std::move(stop)) {}

    // Reports, then throws Cancelled if a stop was requested.
    void step(std::int64_t done, std::int64_t total, std::string_view note) {
        if (report_) report_(Progress{done, total, note});
        if (stop_.stop_requested()) throw Cancelled();
    }

    const std::stop_token& stop() const { return stop_; }

  private:
    Report report_;
    std::stop_token stop_;
};

}  // namespace keepsake
