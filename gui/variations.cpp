// The same edit from other random beginnings, in a grid; a click chooses one.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

constexpr int columns = 3;

void draw_one(Frame& frame, const editor::Variation& variation, const Rect& place) {
    ImDrawList& list = *ImGui::GetWindowDrawList();
    ImGui::SetCursorScreenPos(place.min);
    const std::string name = "variation " + std::to_string(variation.seed);
    const bool pressed = ImGui::InvisibleButton(name.c_str(), place.size());
    mark(frame, name);
    list.AddRectFilled(place.min, place.max, IM_COL32(36, 36, 38, 255));
    if (variation.square) {
        draw_filling(frame, list, variation.square, place);
    } else {
        const char* waiting = "rendering\u2026";
        const ImVec2 size = ImGui::CalcTextSize(waiting);
        list.AddText({place.centre().x - size.x / 2, place.centre().y - size.y / 2}, colour::faint,
                     waiting);
    }
    const bool chosen = variation.seed == frame.state.seed;
    if (chosen || ImGui::IsItemHovered()) {
        list.AddRect(place.min, place.max, chosen ? colour::accent : colour::faint, 0, 0,
                     frame.px(2.5F));
    }
    tooltip(frame, ("Seed " + std::to_string(variation.seed) + ". Click to choose it.").c_str());
    if (pressed && variation.square) {
        frame.state.eta = frame.document.variations_eta;
        choose_seed(frame, variation.seed);
        frame.state.view = View::edit;
    }
}

}  // namespace

void draw_variations(Frame& frame, const Rect& whole) {
    const Pane pane("##variations", whole, colour::canvas);
    const auto& variations = frame.document.variations;
    char text[96];
    std::snprintf(text, sizeof text, "Variations at strength %.2f. Click one to choose it.",
                  frame.document.variations_eta);
    ImGui::TextUnformatted(text);
    const float button = frame.px(96);
    ImGui::SameLine(whole.width() - 2 * button - frame.px(24));
    ImGui::BeginDisabled(frame.state.first_variation == 0);
    if (ImGui::Button("Previous", {button, 0})) {
        frame.state.first_variation -= variation_count;
        set_view(frame, View::variations);
    }
    ImGui::EndDisabled();
    mark(frame, "Previous");
    ImGui::SameLine(0, frame.px(6));
    if (ImGui::Button("More", {button, 0})) {
        frame.state.first_variation += variation_count;
        set_view(frame, View::variations);
    }
    mark(frame, "More");
    const float top = ImGui::GetCursorScreenPos().y + frame.px(4), gap = frame.px(6);
    const float margin = frame.px(14);
    const int rows = static_cast<int>((variations.size() + columns - 1) / columns);
    if (rows == 0) return;
    const float side = std::min((whole.width() - 2 * margin - (columns - 1) * gap) / columns,
                                (whole.max.y - margin - top - static_cast<float>(rows - 1) * gap) /
                                    static_cast<float>(rows));
    const float left = whole.centre().x - (columns * side + (columns - 1) * gap) / 2;
    for (std::size_t i = 0; i < variations.size(); ++i) {
        const float x = left + static_cast<float>(i % columns) * (side + gap);
        const float y = top + static_cast<float>(i / columns) * (side + gap);
        draw_one(frame, variations[i], {{x, y}, {x + side, y + side}});
    }
}

}  // namespace keepsake::gui
