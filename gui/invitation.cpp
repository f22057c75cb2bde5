// The empty window: what can be done here, one click from a result.
#include <algorithm>
#include <cmath>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

constexpr float card_text_height = 40;

struct Card {
    std::string name;     // of the widget
    std::string caption;  // below the picture
    std::string hint;
};

// A picture with a line below it that is one button. Returns whether it was pressed.
bool draw_card(Frame& frame, const editor::ShelfItem& item, const Card& card, float side) {
    const ImVec2 from = ImGui::GetCursorScreenPos();
    const float text_height = frame.px(card_text_height);
    ImGui::PushID(card.name.c_str());
    const bool pressed = ImGui::InvisibleButton("card", {side, side + text_height});
    ImGui::PopID();
    mark(frame, card.name);
    tooltip(frame, card.hint.c_str());
    const bool hovered = ImGui::IsItemHovered();
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const Rect picture{from, {from.x + side, from.y + side}};
    list.AddRectFilled(picture.min, picture.max, IM_COL32(46, 46, 48, 255), frame.px(4));
    if (item.thumbnail) draw_filling(frame, list, item.thumbnail, picture);
    if (hovered) list.AddRect(picture.min, picture.max, colour::accent, 0, 0, frame.px(2.5F));
    ImGui::PushFont(frame.fonts.small);
    list.AddText(ImGui::GetFont(), ImGui::GetFontSize(), {from.x, picture.max.y + frame.px(5)},
                 hovered ? colour::accent : colour::text, card.caption.c_str(), nullptr, side);
    ImGui::PopFont();
    return pressed;
}

void centred(const Frame& frame, ImFont* font, const char* text, ImU32 tint) {
    ImGui::PushFont(font);
    const float width = ImGui::CalcTextSize(text).x;
    ImGui::SetCursorPosX(std::max(frame.px(14), (ImGui::GetWindowWidth() - width) / 2));
    ImGui::PushStyleColor(ImGuiCol_Text, tint);
    ImGui::TextUnformatted(text);
    ImGui::PopStyleColor();
    ImGui::PopFont();
}

// "a photo of a red daisy" is the result of a click: the caption says it as a suggestion.
void samples(Frame& frame, float width) {
    const auto& items = frame.document.samples;
    if (items.empty()) return;
    centred(frame, frame.fonts.text, "Or try one of these: one click edits the photo",
            colour::text);
    ImGui::Dummy({0, frame.px(4)});
    const float gap = frame.px(14);
    const auto count = static_cast<float>(items.size());
    const float side =
        std::min({frame.px(150), (width - 2 * frame.px(30) - (count - 1) * gap) / count,
                  std::max(frame.px(80), ImGui::GetWindowHeight() * 0.26F)});
    const float left = (width - count * side - (count - 1) * gap) / 2;
    ImGui::SetCursorPosX(left);
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) ImGui::SameLine(0, gap);
        const Card card{"sample " + std::to_string(i), "\u201c" + items[i].prompt + "\u201d",
                        "Opens this photo and edits it into " + items[i].prompt};
        if (draw_card(frame, items[i], card, side)) {
            close_notice(frame);
            frame.send(editor::OpenRequest{items[i].path, items[i].prompt, true});
        }
    }
}

// In the room that is left; where there is hardly any, the page scrolls.
void recent(Frame& frame, float width) {
    const auto& items = frame.document.recent;
    if (items.empty()) return;
    ImGui::Dummy({0, frame.px(6)});
    centred(frame, frame.fonts.text, "Go on with", colour::text);
    ImGui::Dummy({0, frame.px(4)});
    const float room = ImGui::GetContentRegionAvail().y - card_text_height * frame.scale;
    const float gap = frame.px(14), side = std::clamp(room, frame.px(64), frame.px(104));
    const auto fits = static_cast<std::size_t>((width - 2 * frame.px(30)) / (side + gap));
    const std::size_t count = std::min(items.size(), std::max<std::size_t>(fits, 1));
    const auto shown = static_cast<float>(count);
    ImGui::SetCursorPosX((width - shown * side - (shown - 1) * gap) / 2);
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) ImGui::SameLine(0, gap);
        const Card card{"recent " + std::to_string(i), items[i].title, items[i].path.string()};
        if (draw_card(frame, items[i], card, side)) open_file(frame, items[i].path);
    }
}

// What the window before this one left to do.
void queue_line(Frame& frame, float width) {
    const std::size_t waiting = editor::count_of(*frame.document.queue).waiting;
    if (waiting == 0) return;
    const std::string text =
        std::to_string(waiting) + (waiting == 1 ? " edit waits" : " edits wait") + " in the queue";
    const std::string label = frame.document.queue->paused ? text + ": go on\u2026" : text;
    const float button = ImGui::CalcTextSize(label.c_str()).x + frame.px(24);
    ImGui::SetCursorPosX((width - button) / 2);
    if (ImGui::Button((label + "##queue").c_str(), {button, 0})) set_room(frame, Room::queue);
    mark(frame, "queue waits");
}

}  // namespace

void draw_invitation(Frame& frame, const Rect& place) {
    const Pane pane("##invitation", place, colour::canvas);
    const bool has_recent = !frame.document.recent.empty();
    const float content = frame.px(has_recent ? 640 : 400);
    ImGui::Dummy({0, std::max(frame.px(8), (place.height() - content) * 0.4F)});
    centred(frame, frame.fonts.title, "Edit a photo by words", colour::text);
    centred(frame, frame.fonts.text,
            "Drop a photo here, say what it should show, and choose how far to go.", colour::faint);
    ImGui::Dummy({0, frame.px(6)});
    const ImVec2 size{frame.px(190), frame.px(40)};
    ImGui::SetCursorPosX((place.width() - size.x) / 2);
    if (primary_button("Open a photo\u2026", size, true)) begin_open(frame);
    mark(frame, "Open a photo");
    queue_line(frame, place.width());
    ImGui::Dummy({0, frame.px(16)});
    samples(frame, place.width());
    if (frame.document.model && !frame.document.model->about.empty()) {
        ImGui::Dummy({0, frame.px(4)});
        centred(frame, frame.fonts.small, frame.document.model->about.c_str(), colour::faint);
    }
    recent(frame, place.width());
}

}  // namespace keepsake::gui
