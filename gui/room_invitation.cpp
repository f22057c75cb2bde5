// What the rooms Teach and Queue show while nothing lies in them.
#include <imgui.h>

#include <string>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

void centred(const Rect& place, ImFont* font, const char* text, ImU32 tint) {
    ImGui::PushFont(font);
    ImGui::SetCursorPosX((place.width() - ImGui::CalcTextSize(text).x) / 2);
    ImGui::TextColored(ImGui::ColorConvertU32ToFloat4(tint), "%s", text);
    ImGui::PopFont();
}

}  // namespace

void draw_room_invitation(Frame& frame, const Rect& place, const RoomInvitation& invitation) {
    ImGui::Dummy({0, place.height() * 0.24F});
    centred(place, frame.fonts.title, invitation.title, colour::text);
    for (const char* line : invitation.lines) centred(place, frame.fonts.text, line, colour::faint);
    ImGui::Dummy({0, frame.px(6)});
    const ImVec2 size{frame.px(190), frame.px(40)};
    ImGui::SetCursorPosX((place.width() - size.x) / 2);
    const std::string label = std::string("Add photos\u2026##") + invitation.id;
    if (primary_button(label.c_str(), size, true)) begin_add_photos(frame);
    mark(frame, "Add photos");
}

}  // namespace keepsake::gui
