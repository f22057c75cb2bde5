// The bar above the picture and the line of status below it.
#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

struct ViewButton {
    View view;
    const char *label, *hint;
    bool needs_result;
};

constexpr std::array view_buttons = {
    ViewButton{View::crop, "Crop", "The part of the photo that is edited (C)", false},
    ViewButton{View::mask, "Mask", "Where the edit may reach: found automatically, or painted (M)",
               true},
    ViewButton{View::edit, "Edited", "The edited picture (1). Hold B to see the original", false},
    ViewButton{View::wipe, "Wipe", "Before and after with a line to drag (2)", true},
    ViewButton{View::side_by_side, "Side by side", "Before and after beside each other (3)", true},
    ViewButton{View::difference, "Difference", "What the edit changed: black is unchanged (4)",
               true},
    ViewButton{View::variations, "Variations", "The same edit with other random beginnings (5)",
               true},
};

// A dot at the button's corner while a mask is in use.
void note_mask(const Frame& frame) {
    const editor::RegionView& region = frame.document.region;
    if (region.settings.mode == editor::RegionMode::none) return;
    if (region.settings.mode == editor::RegionMode::words && !region.words) return;
    const ImVec2 max = ImGui::GetItemRectMax(), min = ImGui::GetItemRectMin();
    ImGui::GetWindowDrawList()->AddCircleFilled({max.x - frame.px(6), min.y + frame.px(7)},
                                                frame.px(3), colour::accent);
}

void view_switch(Frame& frame) {
    const bool result = frame.document.tuned == editor::Tuned::fully;
    for (const ViewButton& button : view_buttons) {
        ImGui::SameLine(0, frame.px(4));
        const bool chosen = frame.state.view == button.view;
        ImGui::BeginDisabled(button.needs_result && !result);
        ImGui::PushStyleColor(ImGuiCol_Button,
                              chosen ? ImGui::GetColorU32(ImGuiCol_ButtonActive) : 0);
        if (ImGui::Button(button.label)) set_view(frame, button.view);
        ImGui::PopStyleColor();
        if (button.view == View::mask) note_mask(frame);
        ImGui::EndDisabled();
        mark(frame, std::string("view ") + button.label);
        tooltip(frame, button.hint);
    }
}

void bar_button(Frame& frame, const char* label, const char* hint, bool enabled,
                const std::function<void()>& pressed) {
    ImGui::BeginDisabled(!enabled);
    if (ImGui::Button(label)) pressed();
    ImGui::EndDisabled();
    mark(frame, label);
    tooltip(frame, hint);
    ImGui::SameLine(0, frame.px(6));
}

float width_of(const char* label) {
    return ImGui::CalcTextSize(label).x + 2 * ImGui::GetStyle().FramePadding.x;
}

std::string queue_text(const editor::Document& document) {
    const editor::EditQueue& queue = *document.queue;
    const editor::QueuedEdit* edit = editor::find_edit(queue, document.queue_progress.id);
    const editor::QueueCount count = editor::count_of(queue);
    const std::string waiting =
        count.waiting > 1 ? ", " + std::to_string(count.waiting - 1) + " more wait" : "";
    return "Queue: " + (edit ? edit->name + ", \u201c" + edit->text + "\u201d" : "") + waiting;
}

std::string activity_text(const editor::Document& document) {
    switch (document.activity) {
        case editor::Activity::loading:
            return "Loading\u2026";
        case editor::Activity::tuning:
            return "Learning the photo\u2026";
        case editor::Activity::rendering:
            return "Rendering\u2026";
        case editor::Activity::queue:
            return queue_text(document);
        case editor::Activity::teaching:
            return "Learning \u201c" + document.teach.run.draft.token +
                   "\u201d: " + std::to_string(document.teach.run.progress.done) + " of " +
                   std::to_string(document.teach.run.steps) + " steps";
        case editor::Activity::captioning:
            return "Captioning: " + std::to_string(document.teach.captions.done) + " of " +
                   std::to_string(document.teach.captions.total) + " photos";
        case editor::Activity::idle:
            break;
    }
    if (!document.session.empty()) return "Saved in " + document.session.string();
    if (!document.photo) return "";
    const editor::Pixels& pixels = document.photo->file->pixels;
    return document.photo->name + ", " + std::to_string(pixels.width) + " \u00d7 " +
           std::to_string(pixels.height) + " pixels";
}

// Which of the bar's buttons have room: what the keyboard has, too, gives way.
struct BarRoom {
    bool all_rooms = true, keys = true, undo = true, home = true;
};

// Where the photo came from, and back.
void file_buttons(Frame& frame, bool has_home) {
    bar_button(frame, "Open\u2026", "Open a photo or a session (Ctrl+O), or drop one here", true,
               [&] { begin_open(frame); });
    if (!frame.document.photo || !has_home) return;
    bar_button(frame, "Home", "Close this photo; everything is saved (Ctrl+W)", true,
               [&] { frame.send(editor::CloseRequest{}); });
}

// The same for a photo of another program's.
void external_buttons(Frame& frame) {
    const std::string name = frame.state.external.path.filename().string();
    if (frame.state.external.saved) {
        bar_button(frame, "Close", "The edit is in the file (Ctrl+W)", true,
                   [&] { frame.state.quit = true; });
        return;
    }
    const char* label = frame.state.external.sent ? "Saving\u2026" : "Save and close";
    const ImVec2 size{width_of("Save and close"), 0};
    if (primary_button(label, size, can_save_external(frame))) save_external(frame);
    mark(frame, "Save and close");
    tooltip(frame, ("Writes what is shown into " + name +
                    ", for the program that opened it here "
                    "(Ctrl+S)")
                       .c_str());
    ImGui::SameLine(0, frame.px(6));
    bar_button(frame, "Discard",
               ("Closes and leaves " + name +
                " as it was (Ctrl+W). The edit stays among those "
                "that can be gone on with")
                   .c_str(),
               !frame.state.external.sent, [&] { frame.state.quit = true; });
}

// Which half of the program the window shows.
void room_switch(Frame& frame, bool is_narrow) {
    struct RoomButton {
        Room room;
        const char *label, *hint;
    };
    constexpr std::array rooms = {
        RoomButton{Room::edit, "Edit", "Edit a photo by words (Ctrl+T)"},
        RoomButton{Room::teach, "Teach", "Teach the model a word, a subject or a look (Ctrl+T)"},
        RoomButton{Room::queue, "Queue",
                   "Many photos or many texts, edited one after the other (Ctrl+J)"}};
    const editor::QueueCount count = editor::count_of(*frame.document.queue);
    const std::size_t left = count.waiting;
    ImGui::PushStyleVar(ImGuiStyleVar_FrameRounding, 0);
    for (const RoomButton& button : rooms) {
        const bool chosen = frame.state.room == button.room;
        if (chosen && is_narrow) continue;  // the way to the others is enough
        if (button.room == Room::queue && is_narrow && frame.document.queue->edits.empty())
            continue;
        const bool counted = button.room == Room::queue && left > 0;
        const std::string label =
            std::string(button.label) + (counted ? " " + std::to_string(left) : "") + "##room";
        ImGui::PushStyleColor(ImGuiCol_Button, chosen ? colour::accent_faint : colour::canvas);
        if (ImGui::Button(label.c_str())) set_room(frame, button.room);
        ImGui::PopStyleColor();
        mark(frame, std::string("room ") + button.label);
        tooltip(frame, button.hint);
        ImGui::SameLine(0, 0);
    }
    ImGui::PopStyleVar();
    ImGui::SameLine(0, frame.px(10));
}

void left_buttons(Frame& frame, const BarRoom& room) {
    if (!frame.state.external.path.empty()) return external_buttons(frame);
    room_switch(frame, !room.all_rooms);
    if (frame.state.room == Room::edit) return file_buttons(frame, room.home);
    const char* hint = frame.state.room == Room::teach
                           ? "Photos to learn from, or folders of them (Ctrl+O); or drop them here"
                           : "Photos to edit (Ctrl+O); or drop them here";
    bar_button(frame, "Add photos\u2026", hint, true, [&] { begin_add_photos(frame); });
}

void right_buttons(Frame& frame, const Rect& place, const BarRoom& room) {
    const bool open = frame.document.photo != nullptr && frame.state.room == Room::edit;
    const bool exports = open && frame.state.external.path.empty();
    const float gap = frame.px(6);
    float width = room.keys ? width_of("?") : -gap;
    if (open && room.undo) width += width_of("Undo") + width_of("Redo") + 2 * gap;
    if (exports) width += width_of("Export\u2026") + gap;
    ImGui::SetCursorPosX(place.width() - width - ImGui::GetStyle().WindowPadding.x);
    if (open && room.undo) {
        const bool mask = frame.state.view == View::mask;
        bar_button(
            frame, "Undo",
            mask ? "Back to before the last stroke (Ctrl+Z)" : "Back to the result before (Ctrl+Z)",
            can_undo(frame), [&] { undo(frame); });
        bar_button(frame, "Redo", "Forward again (Ctrl+Shift+Z)", can_redo(frame),
                   [&] { redo(frame); });
    }
    if (exports)
        bar_button(frame, "Export\u2026", "Save the picture as a file (Ctrl+E)", can_export(frame),
                   [&] { begin_export(frame); });
    if (room.keys) bar_button(frame, "?", "All keys (F1)", true, [&] { frame.state.help = true; });
}

}  // namespace

std::string text_of(const editor::Notice& notice) {
    if (notice.kind != editor::Notice::Kind::stopped) return notice.text;
    return notice.text +
           ". Mend that (make room, or remove a damaged file), then press Apply or Go on; what was "
           "saved before is kept.";
}

void draw_top_bar(Frame& frame, const Rect& place) {
    const Pane pane("##top", place, colour::panel);
    const float height = ImGui::GetFrameHeight();
    ImGui::SetCursorPosY((place.height() - height) / 2);
    const bool open = frame.document.photo != nullptr && frame.state.room == Room::edit;
    const auto narrower = [&](float units) { return open && place.width() < frame.px(units); };
    // The way to the queue is there in a narrow window where the queue has something.
    const float queue = frame.document.queue->edits.empty() ? 0 : 80;
    const BarRoom room{!narrower(1155), !narrower(1020 + queue), !narrower(985 + queue),
                       !narrower(880 + queue)};
    left_buttons(frame, room);
    if (open) {
        view_switch(frame);
        ImGui::SameLine();
    }
    right_buttons(frame, place, room);
    ImGui::GetWindowDrawList()->AddLine({place.min.x, place.max.y - 1},
                                        {place.max.x, place.max.y - 1}, colour::line);
}

bool shows_fault(const Frame& frame) {
    const editor::Notice& notice = frame.document.notice;
    return notice.number > frame.state.notice_closed && notice.kind != editor::Notice::Kind::note;
}

float fault_bar_height(const Frame& frame, float width) {
    if (!shows_fault(frame)) return 0;
    const std::string text = text_of(frame.document.notice);
    const float wrap = width - frame.px(140);
    return std::max(ImGui::CalcTextSize(text.c_str(), nullptr, false, wrap).y, frame.px(20)) +
           frame.px(24);
}

void draw_fault_bar(Frame& frame, const Rect& place) {
    if (!shows_fault(frame)) return;
    const editor::Notice& notice = frame.document.notice;
    const Pane pane("##fault", place, IM_COL32(84, 34, 28, 255));
    ImGui::PushTextWrapPos(place.width() - frame.px(126));
    ImGui::TextUnformatted(text_of(notice).c_str());
    ImGui::PopTextWrapPos();
    ImGui::SetCursorPos({place.width() - frame.px(104), frame.px(8)});
    if (ImGui::Button("Dismiss", {frame.px(90), 0})) frame.state.notice_closed = notice.number;
    mark(frame, "Dismiss");
}

void draw_status_bar(Frame& frame, const Rect& place) {
    const editor::Notice& notice = frame.document.notice;
    const bool note = notice.number > frame.state.notice_closed && !shows_fault(frame);
    const Pane pane("##status", place, colour::canvas);
    ImGui::PushFont(frame.fonts.small);
    ImGui::SetCursorPosY((place.height() - ImGui::GetFontSize()) / 2);
    const std::string text = note ? notice.text : activity_text(frame.document);
    const std::string fits = shortened(text, place.width() - frame.px(220));
    ImGui::TextColored(ImGui::ColorConvertU32ToFloat4(colour::faint), "%s", fits.c_str());
    mark(frame, "status");
    if (fits != text) {
        ImGui::PushFont(frame.fonts.text);
        tooltip(frame, text.c_str());
        ImGui::PopFont();
    }
    const char* keys = "F1 lists the keys";
    ImGui::SameLine(place.width() - ImGui::CalcTextSize(keys).x - frame.px(14));
    ImGui::TextColored(ImGui::ColorConvertU32ToFloat4(colour::faint), "%s", keys);
    ImGui::PopFont();
}

}  // namespace keepsake::gui
