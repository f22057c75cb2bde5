// Every result that was looked at, the newest first; a click shows it again.
#include <algorithm>
#include <cstdio>
#include <string>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

std::string description(const editor::HistoryItem& item) {
    char text[96];
    std::snprintf(text, sizeof text, "strength %.2f, seed %llu, guidance %g", item.eta,
                  static_cast<unsigned long long>(item.seed), item.draft.sample.guidance);
    return "\u201c" + item.draft.prompt + "\u201d\n" + text;
}

void draw_item(Frame& frame, std::size_t index, float side) {
    const editor::HistoryItem& item = frame.document.history[index];
    const bool present = frame.document.history_at == index;
    ImGui::PushID(static_cast<int>(index));
    if (ImGui::InvisibleButton("item", {side, side})) {
        frame.send(editor::HistoryRequest{index});
    }
    ImGui::PopID();
    const Rect place{ImGui::GetItemRectMin(), ImGui::GetItemRectMax()};
    mark(frame, "history " + std::to_string(index));
    tooltip(frame, description(item).c_str());
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.AddRectFilled(place.min, place.max, IM_COL32(46, 46, 48, 255));
    if (item.square) draw_filling(frame, list, item.square, place);
    if (present || ImGui::IsItemHovered()) {
        list.AddRect(place.min, place.max, present ? colour::accent : colour::faint, 0, 0,
                     frame.px(2));
    }
}

}  // namespace

void draw_history(Frame& frame) {
    const std::size_t count = frame.document.history.size();
    if (count == 0) return;
    ImGui::Dummy({0, frame.px(2)});
    ImGui::TextUnformatted("History");
    const float gap = frame.px(6);
    constexpr std::size_t columns = 4;
    const float side =
        (ImGui::GetContentRegionAvail().x - (columns - 1) * gap) / static_cast<float>(columns);
    ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, {gap, gap});
    for (std::size_t i = 0; i < count; ++i) {
        if (i % columns != 0) ImGui::SameLine();
        draw_item(frame, count - 1 - i, side);
    }
    ImGui::PopStyleVar();
}

}  // namespace keepsake::gui
