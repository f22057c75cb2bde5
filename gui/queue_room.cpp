// The room Queue: its layout, and the panel at the right.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <string>

#include "editor/workbench/queue_settings.h"
#include "editor/workbench/queue_time.h"
#include "gui/curves.h"
#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

using editor::QueueRunRequest;

std::string counted(std::size_t count, const char* one, const char* more) {
    return std::to_string(count) + " " + (count == 1 ? one : more);
}

void texts_field(Frame& frame) {
    QueueRoom& room = frame.state.queue;
    ImGui::TextUnformatted("What should the photos show?");
    ImGui::InputTextMultiline("##texts", &room.texts,
                              {ImGui::GetContentRegionAvail().x, frame.px(132)});
    mark(frame, "queue texts");
    faint_text(frame, "One text a line: each is an edit of its own.");
}

// What is added now is made with these, whatever the fields say later.
void settings(Frame& frame) {
    draw_advanced(frame);
    const auto settings = queue_settings(frame, false);
    if (!settings) return;
    faint_text(frame, "With " + editor::line_of(*settings, frame.document.model->choice) + ".");
    mark(frame, "queue settings");
}

// What the button below does, and with how many.
std::string what_is_added(const Frame& frame) {
    const std::size_t texts = editor::lines_of(frame.state.queue.texts).size();
    const std::size_t photos = editor::count_of(*frame.document.queue).unwritten;
    const bool open = frame.document.photo != nullptr;
    if (photos == 0 && !open) return "Drop photos here, or add them, and write a text.";
    const std::string of = photos > 0
                               ? counted(photos, "photo without a text", "photos without a text")
                               : "the open photo, " + frame.document.photo->name;
    if (texts == 0) return "For " + of + ".";
    const std::size_t all = texts * std::max<std::size_t>(photos, 1);
    return counted(all, "edit: ", "edits: ") + counted(texts, "text", "texts") + " for " + of + ".";
}

void add_button(Frame& frame) {
    const ImVec2 size{ImGui::GetContentRegionAvail().x, frame.px(40)};
    if (primary_button("Add to the queue", size, can_queue_texts(frame))) queue_texts(frame);
    mark(frame, "queue add");
    tooltip(frame, "They are worked off from the top, at once (Ctrl+Enter).");
    faint_text(frame, what_is_added(frame));
}

// "2 wait, 1 is done, 1 failed"
std::string summary(const editor::QueueCount& count) {
    std::string text;
    const auto add = [&](std::size_t number, const char* one, const char* more) {
        if (number == 0) return;
        text += (text.empty() ? "" : ", ") + counted(number, one, more);
    };
    add(count.waiting, "edit to go", "edits to go");
    add(count.done, "done", "done");
    add(count.failed, "failed", "failed");
    return text;
}

void run_buttons(Frame& frame) {
    const editor::EditQueue& queue = *frame.document.queue;
    const editor::QueueCount count = editor::count_of(queue);
    if (queue.edits.empty()) return;
    ImGui::Dummy({0, frame.px(8)});
    ImGui::TextUnformatted(summary(count).c_str());
    if (const auto left = editor::seconds_left(queue, frame.document.queue_progress)) {
        faint_text(frame, "About " + time_text(*left) + (queue.paused ? " to go." : " left."));
        mark(frame, "queue time");
        tooltip(frame, "By how long the edits took that are finished.");
    }
    if (count.waiting > 0) {
        const ImVec2 size{frame.px(110), 0};
        if (queue.paused ? primary_button("Go on##queue", size, true)
                         : ImGui::Button("Pause##queue", size))
            frame.send(QueueRunRequest{queue.paused ? QueueRunRequest::What::go_on
                                                    : QueueRunRequest::What::pause});
        mark(frame, queue.paused ? "queue go on" : "queue pause");
        tooltip(frame, queue.paused ? "Works on from the top."
                                    : "Stops at once (Esc). What was learned of the photo is kept, "
                                      "and Go on continues from there.");
        ImGui::SameLine(0, frame.px(8));
    }
    ImGui::BeginDisabled(count.done == 0);
    if (ImGui::Button("Clear done", {frame.px(110), 0}))
        frame.send(QueueRunRequest{QueueRunRequest::What::clear});
    ImGui::EndDisabled();
    mark(frame, "queue clear");
    tooltip(frame, "Takes what is done out of this list. The edits stay, as any other.");
    if (queue.paused && count.waiting > 0) {
        faint_text(frame, "Paused.");
    } else if (!frame.document.model || !frame.document.model->count_tokens) {
        faint_text(frame, "There is no model yet.");
    }
    if (!queue.unkept.empty()) faint_text(frame, queue.unkept, colour::fault);
}

}  // namespace

void draw_queue_room(Frame& frame, const Rect& place) {
    const float side = std::clamp(place.width() * 0.27F, frame.px(320), frame.px(380));
    const float right = place.max.x - side;
    {
        const Pane pane("##queue panel", {{right, place.min.y}, place.max}, colour::panel,
                        ImGuiWindowFlags_AlwaysVerticalScrollbar);
        texts_field(frame);
        settings(frame);
        add_button(frame);
        run_buttons(frame);
    }
    draw_queue_list(frame, {place.min, {right, place.max.y}});
}

}  // namespace keepsake::gui
