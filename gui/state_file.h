// For programs that drive and measure the window: what was drawn last, and how long it took.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <vector>

#include "gui/frame.h"

namespace keepsake::gui {

// Writes, as a whole file, one JSON object: "widgets" {name: [x, y, width, height]} in the window's
// pixels, the state of the Document and of the fields.
void write_state(const std::filesystem::path& path, const Frame& frame);

struct FrameTime {
    using Clock = std::chrono::steady_clock;
    Clock::time_point begin;  // when its events were there
    std::size_t inputs = 0;   // keys and buttons that it answers
};

// What a frame showed.
struct FrameContent {
    editor::Activity activity = editor::Activity::idle;
    Drawn drawn = Drawn::other;
    double eta = 0;  // the slider's
};

// One line for each frame, once it is on the screen: when it began, in seconds of the system's
// monotonic clock, the milliseconds from then on, what the editor was doing, `inputs`, what was
// drawn, and the slider's eta.
class FrameLog {
  public:
    explicit FrameLog(const std::filesystem::path& path) : file_(path) {}
    void add(const FrameTime& time, const FrameContent& content);

  private:
    std::ofstream file_;
};

}  // namespace keepsake::gui
