// The edits of the room Queue, a row each.
#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "editor/workbench/queue_settings.h"
#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

using editor::QueueChangeRequest;
using editor::QueuedEdit;
using OfOne = QueueChangeRequest::OfOne;

constexpr float row_height = 84;

constexpr RoomInvitation invitation = {"Many at once",
                                       {"Drop photos here, write one text or several,",
                                        "and leave: they are edited one after the other."},
                                       "queue"};

void picture_at(Frame& frame, const editor::Picture& picture, ImVec2 from, float side) {
    const Rect place{from, {from.x + side, from.y + side}};
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.AddRectFilled(place.min, place.max, IM_COL32(46, 46, 48, 255), frame.px(4));
    if (picture) draw_filling(frame, list, picture, place);
}

// The photo, and beside it what became of it so far.
void pictures(Frame& frame, const QueuedEdit& edit, const std::string& number, float side) {
    const ImVec2 from = ImGui::GetCursorScreenPos();
    const float gap = frame.px(6);
    const editor::QueueProgress& progress = frame.document.queue_progress;
    const bool working = edit.state == QueuedEdit::State::working;
    const editor::Picture after = working && progress.id == edit.id ? progress.preview : edit.after;
    const bool done = edit.state == QueuedEdit::State::done;
    const ImVec2 size{2 * side + gap, side};
    if (done && ImGui::InvisibleButton("pictures", size)) {
        frame.state.room = Room::edit;
        open_file(frame, edit.session);
    } else if (!done) {
        ImGui::Dummy(size);
    }
    mark(frame, "queue pictures " + number);
    if (done) tooltip(frame, "Opens this edit");
    picture_at(frame, edit.before, from, side);
    if (working || done) picture_at(frame, after, {from.x + side + gap, from.y}, side);
    if (done && ImGui::IsItemHovered())
        ImGui::GetWindowDrawList()->AddRect({from.x + side + gap, from.y},
                                            {from.x + size.x, from.y + side}, colour::accent, 0, 0,
                                            frame.px(2));
}

std::string stage_text(const editor::QueueProgress& progress) {
    const std::string percent = std::to_string(std::lround(progress.fraction * 100)) + " %";
    if (progress.stage == "render") return "Rendering, " + percent;
    return progress.stage.empty() ? "Preparing" : "Learning the photo, " + percent;
}

// The text of one that waits is written here; of the others it is shown.
void text_of(Frame& frame, const QueuedEdit& edit, const std::string& number, float width) {
    if (edit.state != QueuedEdit::State::waiting) {
        ImGui::TextUnformatted(shortened(edit.text, width).c_str());
        mark(frame, "queue text " + number);
        return;
    }
    auto& written = frame.state.queue.written;
    std::string& text = written.try_emplace(edit.id, edit.text).first->second;
    const std::string id = "queue text " + number;
    ImGui::SetNextItemWidth(width);
    ImGui::PushStyleColor(ImGuiCol_FrameBg, colour::panel);
    word_field(frame, id.c_str(), "what should it show?", text);
    ImGui::PopStyleColor();
    // Not while it is being spelled: it would be worked on at the first letter.
    const bool typing = ImGui::GetIO().WantTextInput && frame.state.word_field.id == id;
    if (!typing && text != edit.text) frame.send(QueueChangeRequest{OfOne::write, edit.id, text});
}

std::string name_and_settings(const Frame& frame, const QueuedEdit& edit) {
    if (!edit.settings || !frame.document.model) return edit.name;
    return edit.name + ": " + editor::line_of(*edit.settings, frame.document.model->choice);
}

void state_line(Frame& frame, const QueuedEdit& edit, float width) {
    const editor::QueueProgress& progress = frame.document.queue_progress;
    std::string line;
    ImU32 tint = colour::faint;
    switch (edit.state) {
        case QueuedEdit::State::waiting:
            line = edit.text.empty()              ? "Needs a text"
                   : frame.document.queue->paused ? "Waits: the queue is paused"
                                                  : "Waits";
            break;
        case QueuedEdit::State::working:
            ImGui::ProgressBar(static_cast<float>(progress.fraction), {width, frame.px(6)}, "");
            line = stage_text(progress);
            break;
        case QueuedEdit::State::done:
            line = edit.remark.empty() ? "Done" : "Done. " + edit.remark;
            break;
        case QueuedEdit::State::failed:
            line = edit.remark + ". When that is mended, press Try again.";
            tint = colour::fault;
            break;
    }
    ImGui::PushFont(frame.fonts.small);
    ImGui::TextColored(ImGui::ColorConvertU32ToFloat4(tint), "%s", shortened(line, width).c_str());
    ImGui::PopFont();
    tooltip(frame, line.c_str());
}

void row_button(Frame& frame, const QueuedEdit& edit, const std::string& number, const char* label,
                const char* name, OfOne what) {
    if (ImGui::Button(label)) frame.send(QueueChangeRequest{what, edit.id, {}});
    mark(frame, std::string("queue ") + name + " " + number);
    ImGui::SameLine(0, frame.px(4));
}

void buttons(Frame& frame, const QueuedEdit& edit, const std::string& number) {
    const auto button = [&](const char* label, const char* name, OfOne what) {
        row_button(frame, edit, number, label, name, what);
    };
    const bool waits = edit.state == QueuedEdit::State::waiting;
    if (waits) {
        button("Up", "up", OfOne::up);
        button("Down", "down", OfOne::down);
    }
    if (edit.state == QueuedEdit::State::failed) button("Try again", "again", OfOne::again);
    if (edit.state == QueuedEdit::State::done) {
        if (ImGui::Button("Open")) {
            frame.state.room = Room::edit;
            open_file(frame, edit.session);
        }
        mark(frame, "queue open " + number);
        ImGui::SameLine(0, frame.px(4));
    }
    button("Remove", "remove", OfOne::remove);
}

void edit_row(Frame& frame, std::size_t index) {
    const QueuedEdit& edit = frame.document.queue->edits[index];
    const std::string number = std::to_string(index);
    const float side = frame.px(row_height - 10), for_buttons = frame.px(190);
    ImGui::PushID(static_cast<int>(edit.id));
    const ImVec2 from = ImGui::GetCursorScreenPos();
    pictures(frame, edit, number, side);
    ImGui::SameLine(0, frame.px(12));
    ImGui::BeginGroup();
    const float width = ImGui::GetContentRegionAvail().x - for_buttons - frame.px(12);
    ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, {frame.px(8), frame.px(4)});
    text_of(frame, edit, number, width);
    ImGui::PushFont(frame.fonts.small);
    const std::string of = name_and_settings(frame, edit);
    ImGui::TextColored(ImGui::ColorConvertU32ToFloat4(colour::faint), "%s",
                       shortened(of, width).c_str());
    tooltip(frame, of.c_str());
    ImGui::PopFont();
    state_line(frame, edit, width);
    ImGui::PopStyleVar();
    ImGui::EndGroup();
    const float right = from.x + 2 * side + frame.px(30) + width;
    ImGui::SetCursorScreenPos({right, from.y + (side - ImGui::GetFrameHeight()) / 2});
    buttons(frame, edit, number);
    ImGui::SetCursorScreenPos({from.x, from.y + frame.px(row_height)});
    ImGui::PopID();
}

}  // namespace

void draw_queue_list(Frame& frame, const Rect& place) {
    const Pane pane("##queue list", place, colour::canvas);
    const std::size_t count = frame.document.queue->edits.size();
    if (count == 0) return draw_room_invitation(frame, place, invitation);
    ImGui::BeginChild("edits", {0, 0});
    ImGuiListClipper clipper;  // those that are seen: there may be hundreds
    clipper.Begin(static_cast<int>(count), frame.px(row_height));
    while (clipper.Step())
        for (int i = clipper.DisplayStart; i < clipper.DisplayEnd; ++i)
            edit_row(frame, static_cast<std::size_t>(i));
    ImGui::EndChild();
}

}  // namespace keepsake::gui
