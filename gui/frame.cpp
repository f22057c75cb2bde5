#include "gui/frame.h"

#include <algorithm>
#include <cmath>

namespace keepsake::gui {
namespace {

constexpr double rest_before_tooltip = 0.5;  // seconds

}  // namespace

void mark(Frame& frame, const std::string& name) {
    mark(frame, name, {ImGui::GetItemRectMin(), ImGui::GetItemRectMax()});
}

void mark(Frame& frame, const std::string& name, const Rect& place) {
    frame.widgets.push_back({name, place});
}

void tooltip(Frame& frame, const char* text) {
    if (!ImGui::IsItemHovered(ImGuiHoveredFlags_AllowWhenDisabled)) return;
    WindowState& state = frame.state;
    const ImVec2 place = ImGui::GetItemRectMin();
    const bool moved = place.x != state.hovered.x || place.y != state.hovered.y;
    if (moved || ImGui::IsAnyMouseDown()) {
        state.hovered = place;
        // What was just pressed needs no explanation.
        state.hovered_since = frame.now + (ImGui::IsAnyMouseDown() ? 3 : 0);
    }
    if (frame.now - state.hovered_since < rest_before_tooltip) {
        state.tooltip_waits = true;
        return;
    }
    // Above the item where there is room, so that it does not cover the line below, which says what
    // to do next.
    const float gap = frame.px(6), widest = frame.px(360);
    const bool above = place.y > frame.px(100);
    const float y = above ? place.y - gap : ImGui::GetItemRectMax().y + gap;
    const float x = std::max(0.0F, std::min(place.x, ImGui::GetIO().DisplaySize.x - widest));
    ImGui::SetNextWindowPos({x, y}, ImGuiCond_Always, {0, above ? 1.0F : 0.0F});
    ImGui::BeginTooltip();
    ImGui::PushTextWrapPos(frame.px(340));
    ImGui::TextUnformatted(text);
    ImGui::PopTextWrapPos();
    ImGui::EndTooltip();
}

void faint_text(const Frame& frame, const std::string& text, ImU32 tint) {
    ImGui::PushFont(frame.fonts.small);
    ImGui::PushStyleColor(ImGuiCol_Text, tint);
    ImGui::PushTextWrapPos(0);
    ImGui::TextUnformatted(text.c_str());
    ImGui::PopTextWrapPos();
    ImGui::PopStyleColor();
    ImGui::PopFont();
}

void draw_filling(Frame& frame, ImDrawList& list, const editor::Picture& picture, const Rect& place,
                  double opacity) {
    const float wide = static_cast<float>(picture->width) / static_cast<float>(picture->height);
    const float target = place.width() / place.height();
    const float u = std::min(1.0F, target / wide) / 2, v = std::min(1.0F, wide / target) / 2;
    list.AddImage(frame.textures.id(picture), place.min, place.max, {0.5F - u, 0.5F - v},
                  {0.5F + u, 0.5F + v},
                  IM_COL32(255, 255, 255, static_cast<int>(std::lround(255 * opacity))));
}

std::string shortened(const std::string& text, float width) {
    if (ImGui::CalcTextSize(text.c_str()).x <= width) return text;
    std::string part = text;
    while (!part.empty() && ImGui::CalcTextSize((part + "\u2026").c_str()).x > width) {
        // Whole UTF-8 characters: continuation bytes go with their first one.
        while (!part.empty() && (part.back() & 0xC0) == 0x80) part.pop_back();
        if (!part.empty()) part.pop_back();
    }
    return part + "\u2026";
}

bool primary_button(const char* label, ImVec2 size, bool enabled) {
    ImGui::BeginDisabled(!enabled);
    if (enabled) {
        ImGui::PushStyleColor(ImGuiCol_Button, colour::accent);
        ImGui::PushStyleColor(ImGuiCol_ButtonHovered, IM_COL32(238, 180, 96, 255));
        ImGui::PushStyleColor(ImGuiCol_ButtonActive, IM_COL32(204, 146, 60, 255));
        ImGui::PushStyleColor(ImGuiCol_Text, IM_COL32(26, 22, 16, 255));
    }
    const bool pressed = ImGui::Button(label, size);
    if (enabled) ImGui::PopStyleColor(4);
    ImGui::EndDisabled();
    return pressed && enabled;
}

}  // namespace keepsake::gui
