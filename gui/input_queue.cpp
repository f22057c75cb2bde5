#include "gui/input_queue.h"

#include <backends/imgui_impl_glfw.h>

#include <set>

namespace keepsake::gui {
namespace {

bool is_shift(int key) {
    return key == GLFW_KEY_LEFT_SHIFT || key == GLFW_KEY_RIGHT_SHIFT;
}

// Not so the keys that write a character: what they write comes as an event of its own, so that
// their press and release may fall into one frame, and fast typing does not have to wait.
bool is_command(const InputQueue::Event& event) {
    const bool writes = event.code >= GLFW_KEY_SPACE && event.code <= GLFW_KEY_GRAVE_ACCENT &&
                        (event.mods & (GLFW_MOD_CONTROL | GLFW_MOD_ALT | GLFW_MOD_SUPER)) == 0;
    return !writes && !is_shift(event.code);
}

}  // namespace

std::optional<ImVec2> InputQueue::deliver(GLFWwindow* window) {
    std::set<int> changed;
    bool written = false;
    while (!events_.empty()) {
        const Event event = events_.front();
        if (event.kind == Kind::button) {
            ImGui_ImplGlfw_MouseButtonCallback(window, event.code, event.action, event.mods);
            events_.pop_front();
            return ImVec2(static_cast<float>(event.x), static_cast<float>(event.y));
        }
        if (event.kind == Kind::character) {
            // What is written after Enter or an arrow key belongs to a frame after it.
            if (!changed.empty()) break;
            ImGui_ImplGlfw_CharCallback(window, event.codepoint);
            written = true;
        } else if (event.action != GLFW_REPEAT) {
            // Ctrl may be let go before the key that it was held for: that key's frame comes first.
            const bool modifier = event.code >= GLFW_KEY_LEFT_SHIFT;
            if (changed.contains(event.code) || (modifier && !changed.empty())) break;
            if (is_command(event)) {
                if (written) break;  // it comes after what was written before it
                if (!modifier) changed.insert(event.code);
            }
            ImGui_ImplGlfw_KeyCallback(window, event.code, event.scancode, event.action,
                                       event.mods);
        }
        events_.pop_front();
    }
    return std::nullopt;
}

}  // namespace keepsake::gui
