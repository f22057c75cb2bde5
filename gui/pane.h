// A part of the window at a fixed place.
#pragma once

#include "gui/frame.h"

namespace keepsake::gui {

// An ImGui window without decoration that fills `place`, while it lives.
class Pane {
  public:
    Pane(const char* name, const Rect& place, ImU32 background, ImGuiWindowFlags flags = 0) {
        ImGui::SetNextWindowPos(place.min);
        ImGui::SetNextWindowSize(place.size());
        ImGui::PushStyleColor(ImGuiCol_WindowBg, background);
        ImGui::Begin(name, nullptr,
                     ImGuiWindowFlags_NoDecoration | ImGuiWindowFlags_NoMove |
                         ImGuiWindowFlags_NoSavedSettings | ImGuiWindowFlags_NoBringToFrontOnFocus |
                         flags);
    }
    ~Pane() {
        ImGui::End();
        ImGui::PopStyleColor();
    }
    Pane(const Pane&) = delete;
    Pane& operator=(const Pane&) = delete;
};

}  // namespace keepsake::gui
