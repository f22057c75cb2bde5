#include "editor/commands/progress.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace keepsake::editor {
namespace {

using Clock = std::chrono::steady_clock;

// A stage as it is shown now.
struct Shown {
    std::string stage;
    Clock::time_point begun, drawn;
    std::int64_t first = 0;   // steps that were done before this program's first one
    std::int64_t tenths = 0;  // lines printed
};

std::string number_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : "%.2f", value);
    return text;
}

// "12.3 steps/s, 2 min 10 s left", or for slow work "4.50 s/step, ..."; empty before it is known.
std::string rate_text(const Shown& shown, const Progress& progress, Clock::time_point now) {
    const double seconds = std::chrono::duration<double>(now - shown.begun).count();
    const auto steps = static_cast<double>(progress.done - shown.first);
    if (steps <= 0 || seconds <= 0) return {};
    const double rate = steps / seconds;
    const std::string speed =
        rate >= 1 ? number_text(rate) + " steps/s" : number_text(1 / rate) + " s/step";
    if (progress.done >= progress.total) return speed + ", took " + duration_text(seconds);
    return speed + ", " +
           duration_text(static_cast<double>(progress.total - progress.done) / rate) + " left";
}

void draw_bar(const Shown& shown, const Progress& progress, std::string_view details,
              Clock::time_point now) {
    constexpr int width = 24;
    const double part = progress.total > 0 ? double(progress.done) / double(progress.total) : 1.0;
    const int full = std::clamp(static_cast<int>(part * width), 0, width);
    const std::string bar = std::string(full, '#') + std::string(width - full, '.');
    std::fprintf(stderr, "\r\033[K%-9s [%s] %lld/%lld  %s%s", shown.stage.c_str(), bar.c_str(),
                 static_cast<long long>(progress.done), static_cast<long long>(progress.total),
                 rate_text(shown, progress, now).c_str(), std::string(details).c_str());
    if (progress.done >= progress.total) std::fputc('\n', stderr);
    std::fflush(stderr);
}

void print_line(const Shown& shown, const Progress& progress, std::string_view details,
                Clock::time_point now) {
    const std::string rate = rate_text(shown, progress, now);
    std::fprintf(stderr, "%s: %lld of %lld%s%s%s\n", shown.stage.c_str(),
                 static_cast<long long>(progress.done), static_cast<long long>(progress.total),
                 rate.empty() ? "" : ", ", rate.c_str(), std::string(details).c_str());
}

void show(ProgressStyle style, Shown& shown, const Progress& progress) {
    const Clock::time_point now = Clock::now();
    const std::size_t space = std::min(progress.note.find(' '), progress.note.size());
    const std::string_view stage = progress.note.substr(0, space);
    const std::string details =
        space < progress.note.size() ? ", " + std::string(progress.note.substr(space + 1)) : "";
    // A stage's first report comes after its first step.
    if (stage != shown.stage || progress.done <= shown.first) {
        shown = {std::string(stage), now, {}, progress.done, 0};
        shown.tenths = progress.total > 0 ? progress.done * 10 / progress.total : 0;
    }
    const bool last = progress.done >= progress.total;
    if (style == ProgressStyle::bar) {
        if (!last && now - shown.drawn < std::chrono::milliseconds(100)) return;
        shown.drawn = now;
        draw_bar(shown, progress, details, now);
    } else {
        const std::int64_t tenths = progress.total > 0 ? progress.done * 10 / progress.total : 10;
        if (!last && tenths <= shown.tenths) return;
        shown.tenths = tenths;
        print_line(shown, progress, details, now);
    }
}

}  // namespace

ProgressStyle progress_style(bool quiet) {
    if (quiet) return ProgressStyle::none;
    return isatty(STDERR_FILENO) ? ProgressStyle::bar : ProgressStyle::lines;
}

Monitor::Report progress_report(ProgressStyle style) {
    if (style == ProgressStyle::none) return {};
    return [style, shown = std::make_shared<Shown>()](const Progress& progress) {
        show(style, *shown, progress);
    };
}

std::string duration_text(double seconds) {
    const auto whole = static_cast<long long>(std::llround(seconds));
    if (whole < 60) return std::to_string(whole) + " s";
    if (whole < 3600) {
        return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
    }
    return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

}  // namespace keepsake::editor
