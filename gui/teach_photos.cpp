// The middle of the room Teach: photos with their captions, or the run's pictures on the way.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

using editor::LearnKind;

constexpr float row_height = 96;

void middle_switch(Frame& frame) {
    TeachRoom& room = frame.state.teach;
    const auto button = [&](const std::string& label, const char* name, bool on_the_way) {
        const bool chosen = room.on_the_way == on_the_way;
        ImGui::PushStyleColor(ImGuiCol_Button,
                              chosen ? ImGui::GetColorU32(ImGuiCol_ButtonActive) : 0);
        if (ImGui::Button(label.c_str())) room.on_the_way = on_the_way;
        ImGui::PopStyleColor();
        mark(frame, name);
        ImGui::SameLine(0, frame.px(4));
    };
    const std::size_t count = room.draft.pictures.size();
    button(std::to_string(count) + (count == 1 ? " photo" : " photos"), "show photos", false);
    if (!frame.document.teach.run.samples.empty())
        button("Pictures on the way", "show samples", true);
}

constexpr RoomInvitation invitation = {
    "Teach it something of yours",
    {"Drop photos or a folder here, name what they show,", "and use the word in every text."},
    "first"};

// Each of what was left out and why, one line.
void remarks(Frame& frame) {
    auto& lines = frame.state.teach.remarks;
    if (lines.empty()) return;
    constexpr std::size_t most = 6;
    for (std::size_t i = 0; i < std::min(lines.size(), most); ++i) {
        ImGui::PushFont(frame.fonts.small);
        const std::string line = shortened(lines[i], ImGui::GetContentRegionAvail().x);
        ImGui::TextColored(ImGui::ColorConvertU32ToFloat4(colour::fault), "%s", line.c_str());
        ImGui::PopFont();
        tooltip(frame, lines[i].c_str());
    }
    if (lines.size() > most)
        faint_text(frame, "and " + std::to_string(lines.size() - most) + " more of these");
    if (ImGui::SmallButton("Dismiss")) lines.clear();
    mark(frame, "remarks read");
    ImGui::Dummy({0, frame.px(4)});
}

// What is said of a photo without a caption, or of one whose caption is of no use.
std::string caption_note(const editor::TeachDraft& draft, const editor::TeachPicture& picture) {
    std::string note =
        picture.repeats > 1 ? "taken " + std::to_string(picture.repeats) + " times a round" : "";
    const auto add = [&](const std::string& text) { note += (note.empty() ? "" : "; ") + text; };
    if (!picture.captions.empty())
        add(std::to_string(picture.captions.size()) + " more captions, of which one is drawn");
    if (!draft.token.empty() && !picture.caption.empty() && !editor::uses_caption(draft, picture))
        add("not used: \u201c" + draft.token + "\u201d is not in it");
    return note;
}

std::string caption_hint(const editor::TeachDraft& draft) {
    const std::string name = draft.token.empty() ? "\u2026" : draft.token;
    if (draft.kind == LearnKind::captions) return "what does it show?";
    if (draft.kind == LearnKind::subject) return "a photo of " + name;
    return "by itself: a photo of a " + name + ", and the like";
}

// Returns whether the photo is to be removed.
bool photo_row(Frame& frame, std::size_t index) {
    editor::TeachDraft& draft = frame.state.teach.draft;
    editor::TeachPicture& picture = draft.pictures[index];
    const std::string number = std::to_string(index);
    const float side = frame.px(row_height - 10);
    ImGui::PushID(static_cast<int>(index));
    const ImVec2 from = ImGui::GetCursorScreenPos();
    ImGui::Dummy({side, side});
    mark(frame, "photo " + number);
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const Rect place{from, {from.x + side, from.y + side}};
    list.AddRectFilled(place.min, place.max, IM_COL32(46, 46, 48, 255), frame.px(4));
    if (picture.thumbnail) draw_filling(frame, list, picture.thumbnail, place);
    ImGui::SameLine(0, frame.px(12));
    ImGui::BeginGroup();
    const float width = ImGui::GetContentRegionAvail().x - frame.px(90);
    ImGui::PushFont(frame.fonts.small);
    ImGui::TextColored(ImGui::ColorConvertU32ToFloat4(colour::faint), "%s",
                       shortened(picture.name, width).c_str());
    ImGui::PopFont();
    ImGui::SetNextItemWidth(width);
    // A field is as dark as the canvas.
    ImGui::PushStyleColor(ImGuiCol_FrameBg, colour::panel);
    word_field(frame, ("caption " + number).c_str(), caption_hint(draft).c_str(), picture.caption);
    ImGui::PopStyleColor();
    const std::string note = caption_note(draft, picture);
    if (!note.empty()) faint_text(frame, note);
    ImGui::EndGroup();
    ImGui::SetCursorScreenPos({from.x + side + frame.px(24) + width, from.y + frame.px(21)});
    const bool removed = ImGui::Button("Remove");
    mark(frame, "remove " + number);
    ImGui::SetCursorScreenPos({from.x, from.y + frame.px(row_height)});
    ImGui::PopID();
    return removed;
}

// Those that are seen: there may be thousands.
void photo_rows(Frame& frame) {
    auto& pictures = frame.state.teach.draft.pictures;
    ImGui::BeginChild("photos", {0, 0});
    std::size_t removed = pictures.size();
    ImGuiListClipper clipper;
    clipper.Begin(static_cast<int>(pictures.size()), frame.px(row_height));
    while (clipper.Step())
        for (int i = clipper.DisplayStart; i < clipper.DisplayEnd; ++i)
            if (photo_row(frame, static_cast<std::size_t>(i)))
                removed = static_cast<std::size_t>(i);
    if (removed < pictures.size())
        pictures.erase(pictures.begin() + static_cast<std::ptrdiff_t>(removed));
    ImGui::EndChild();
}

void sample_row(Frame& frame, const editor::SamplesShown& row, float side) {
    faint_text(frame, row.step == 0 ? "before" : "step " + std::to_string(row.step));
    for (std::size_t i = 0; i < row.pictures.size(); ++i) {
        if (i > 0) ImGui::SameLine(0, frame.px(8));
        const ImVec2 from = ImGui::GetCursorScreenPos();
        ImGui::Dummy({side, side});
        mark(frame, "sample " + std::to_string(row.step) + " " + std::to_string(i));
        if (row.pictures[i])
            draw_filling(frame, *ImGui::GetWindowDrawList(), row.pictures[i],
                         {from, {from.x + side, from.y + side}});
    }
    ImGui::Dummy({0, frame.px(4)});
}

}  // namespace

void draw_teach_photos(Frame& frame, const Rect& place) {
    const Pane pane("##teach photos", place, colour::canvas);
    const TeachRoom& room = frame.state.teach;
    const bool reading = !frame.document.teach.reading.empty();
    if (room.draft.pictures.empty()) {
        remarks(frame);
        if (reading) faint_text(frame, "Reading: " + frame.document.teach.reading);
        return draw_room_invitation(frame, place, invitation);
    }
    middle_switch(frame);
    if (ImGui::Button("Remove all")) frame.state.teach.draft.pictures.clear();
    mark(frame, "remove all");
    ImGui::SameLine(0, frame.px(16));
    draw_teach_captions(frame);
    if (reading) faint_text(frame, "Reading: " + frame.document.teach.reading);
    remarks(frame);
    photo_rows(frame);
}

void draw_teach_samples(Frame& frame, const Rect& place) {
    const Pane pane("##teach samples", place, colour::canvas);
    const editor::TeachBoard& run = frame.document.teach.run;
    middle_switch(frame);
    ImGui::NewLine();
    if (!run.sheet.empty()) {
        faint_text(frame,
                   "What the model draws by what it has learned so far, the newest first. "
                   "All of it, large: " +
                       run.sheet.string());
    }
    ImGui::BeginChild("samples", {0, 0});
    std::size_t most = 1;
    for (const editor::SamplesShown& row : run.samples) most = std::max(most, row.pictures.size());
    const float room = ImGui::GetContentRegionAvail().x - frame.px(8) * static_cast<float>(most);
    const float side = std::min(frame.px(220), room / static_cast<float>(most));
    for (std::size_t i = run.samples.size(); i-- > 0;) sample_row(frame, run.samples[i], side);
    ImGui::EndChild();
}

}  // namespace keepsake::gui
