// The window itself: GLFW, OpenGL, ImGui, and the loop that draws when there is something to draw.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>

#include "editor/workbench/worker.h"

namespace keepsake::gui {

struct WindowOptions {
    editor::WorkerOptions worker;
    std::filesystem::path open;  // a photo or session; empty: the invitation
    // A photo that another program gave to be changed, in place of `open`: the window is for it
    // alone, and Save and close writes the edit into the file.
    std::filesystem::path external;
    int width = 1280, height = 800;
    std::optional<float> scale;        // none: the display's
    std::filesystem::path state_file;  // of gui/state_file.h; empty: none
    std::filesystem::path frame_log;
    std::stop_token stop;  // closes the window, as its button does
};

// Returns when the window is closed, with everything saved. Throws Error when there is no display
// or no OpenGL, and what check_external_file throws.
void run_window(const WindowOptions& options);

}  // namespace keepsake::gui
