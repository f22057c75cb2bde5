// For programs that drive and measure the window: what was drawn last, and how long it took.
#pragma once

#include <filesystem>
#include <fstream>
#include <vector>

#include "gui/frame.h"

namespace keepsake::gui {

// Writes, as a whole file, one JSON object: "widgets" {name: [x, y, width, height]} in the window's
// pixels, the state of the Document and of the fields.
void write_state(const std::filesystem::path& path, const Frame& frame);

// One line for each frame: seconds since the start, milliseconds that drawing took from the moment
// its events were there until it was on the screen, and what the editor was doing.
class FrameLog {
  public:
    explicit FrameLog(const std::filesystem::path& path) : file_(path) {}
    void add(double now, double milliseconds, editor::Activity activity);

  private:
    std::ofstream file_;
};

}  // namespace keepsake::gui
