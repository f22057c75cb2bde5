// What was learned: each with its picture, how strongly it works, and its end.
#include <imgui.h>

#include <algorithm>
#include <array>
#include <string>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

constexpr const char* title = "Delete it?";

void picture_of(Frame& frame, const editor::WordShown& word, float side) {
    const ImVec2 from = ImGui::GetCursorScreenPos();
    ImGui::Dummy({side, side});
    mark(frame, "my word " + word.name);
    tooltip(frame, word.file.string().c_str());
    const Rect place{from, {from.x + side, from.y + side}};
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.AddRectFilled(place.min, place.max, IM_COL32(46, 46, 48, 255), frame.px(3));
    if (word.picture) draw_filling(frame, list, word.picture, place);
}

// Asked for when the hand lets go: each change is written to the list.
void strength_slider(Frame& frame, const editor::WordShown& word) {
    TeachRoom& room = frame.state.teach;
    if (room.strength_of == word.name && room.strength == word.strength) room.strength_of.clear();
    double strength = room.strength_of == word.name ? room.strength : word.strength;
    ImGui::SetNextItemWidth(frame.px(110));
    if (ImGui::SliderScalar("##strength", ImGuiDataType_Double, &strength, std::array{0.0}.data(),
                            std::array{2.0}.data(), "strength %.2f")) {
        room.strength_of = word.name;
        room.strength = strength;
    }
    if (ImGui::IsItemDeactivatedAfterEdit())
        frame.send(
            editor::MyWordRequest{editor::MyWordRequest::Kind::strength, word.name, strength});
    mark(frame, "strength " + word.name);
    tooltip(frame, "How much of it an edit gets whose text has these words.");
    ImGui::SameLine(0, frame.px(6));
}

void word_row(Frame& frame, const editor::WordShown& word) {
    ImGui::PushID(word.name.c_str());
    picture_of(frame, word, frame.px(52));
    ImGui::SameLine(0, frame.px(10));
    ImGui::BeginGroup();
    ImGui::TextUnformatted(shortened(word.name, ImGui::GetContentRegionAvail().x).c_str());
    const auto& model = frame.document.model;
    if (model && model->fingerprint != word.model) {
        faint_text(frame, "of another model");
        ImGui::SameLine(0, frame.px(6));
    } else if (!word.is_word) {
        strength_slider(frame, word);
    }
    if (ImGui::SmallButton("Delete\u2026")) frame.state.teach.deleting = word.name;
    mark(frame, "delete " + word.name);
    ImGui::EndGroup();
    ImGui::PopID();
}

// Of which the run that the room shows is no news.
void unfinished_rows(Frame& frame) {
    for (const editor::UnfinishedRun& run : frame.document.teach.unfinished) {
        if (run.folder == frame.document.teach.run.folder) continue;
        ImGui::PushID(run.folder.c_str());
        if (ImGui::SmallButton("Open")) frame.send(editor::TeachAddRequest{{run.folder}});
        mark(frame, "open " + run.token);
        ImGui::SameLine();
        faint_text(frame, run.token + ", stopped after " + std::to_string(run.done) + " of " +
                              std::to_string(run.steps) + " steps");
        ImGui::PopID();
    }
}

}  // namespace

void draw_my_words(Frame& frame) {
    const editor::TeachView& teach = frame.document.teach;
    ImGui::Dummy({0, frame.px(4)});
    ImGui::Separator();
    ImGui::TextUnformatted("My words");
    if (teach.words.empty())
        faint_text(frame, "What was learned appears here, and every text field completes it.");
    for (const editor::WordShown& word : teach.words) word_row(frame, word);
    unfinished_rows(frame);
}

void draw_delete_word(Frame& frame) {
    std::string& name = frame.state.teach.deleting;
    if (!name.empty() && !ImGui::IsPopupOpen(title)) ImGui::OpenPopup(title);
    const ImVec2 display = ImGui::GetIO().DisplaySize;
    ImGui::SetNextWindowPos({display.x / 2, display.y / 2}, 0, {0.5F, 0.5F});
    if (!ImGui::BeginPopupModal(title, nullptr,
                                ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoMove))
        return;
    const auto& words = frame.document.teach.words;
    const auto word = std::ranges::find(words, name, &editor::WordShown::name);
    const bool is_word = word == words.end() || word->is_word;
    const std::string text =
        "\u201c" + name + "\u201d is forgotten, with the run that it was learned in. Your photos " +
        "stay.\n" +
        (is_word ? "Edits made with it keep what they know of it."
                 : "Edits made with it cannot be opened any more.");
    ImGui::TextUnformatted(text.c_str());
    ImGui::Dummy({0, frame.px(4)});
    if (ImGui::Button("Delete", {frame.px(110), 0})) {
        frame.send(editor::MyWordRequest{editor::MyWordRequest::Kind::remove, name});
        name.clear();
    }
    mark(frame, "Delete it");
    ImGui::SameLine();
    const bool escape = ImGui::IsKeyPressed(ImGui::GetKeyIndex(ImGuiKey_Escape));
    if (ImGui::Button("Keep it", {frame.px(110), 0}) || escape) name.clear();
    mark(frame, "Keep it");
    if (name.empty()) ImGui::CloseCurrentPopup();
    ImGui::EndPopup();
}

}  // namespace keepsake::gui
