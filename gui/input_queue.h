// Key and button events in the order they came.
#pragma once

#include <GLFW/glfw3.h>
#include <imgui.h>

#include <deque>
#include <optional>

namespace keepsake::gui {

// ImGui 1.86 sees the keyboard as it is at each frame: a key that goes down and up between two
// frames would be missed. So events wait here, and a frame gets them up to the first that takes
// back one it got already, or that follows the press of a button.
class InputQueue {
  public:
    enum class Kind { key, character, button };
    struct Event {
        Kind kind;
        int code, scancode, action, mods;  // code: of the key or button
        unsigned codepoint;
        double x, y;
    };

    void key(int key, int scancode, int action, int mods) {
        events_.push_back({Kind::key, key, scancode, action, mods, 0, 0, 0});
    }
    void character(unsigned codepoint) {
        events_.push_back({Kind::character, 0, 0, 0, 0, codepoint, 0, 0});
    }
    // x, y: where the pointer was then.
    void button(int button, int action, int mods, double x, double y) {
        events_.push_back({Kind::button, button, 0, action, mods, 0, x, y});
    }

    // Hands the next frame's events to ImGui's backend, before its own NewFrame. Returns where the
    // pointer was for a button's event: it may have moved on since.
    std::optional<ImVec2> deliver(GLFWwindow* window);
    bool empty() const { return events_.empty(); }
    std::size_t size() const { return events_.size(); }

  private:
    std::deque<Event> events_;
};

}  // namespace keepsake::gui
