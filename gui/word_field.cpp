// A text field that completes the words of My words.
#include <imgui.h>
#include <imgui_internal.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <string>
#include <vector>

#include "editor/workbench/word_completion.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

// What is proposed outlives the field's focus this long, which a click on it takes away.
constexpr double proposal_seconds = 0.3;
constexpr std::size_t most_proposals = 4;

std::vector<std::string> names_for_texts(const Frame& frame) {
    std::vector<std::string> names;
    for (const editor::WordShown& word : frame.document.teach.words)
        if (frame.document.model && word.model == frame.document.model->fingerprint)
            names.push_back(word.name);
    for (const std::string& file : frame.document.files->embeddings)
        names.push_back(file.substr(file.rfind('/') + 1));  // texts call them without the folder
    return names;
}

struct Typing {
    const std::vector<std::string>& names;
    std::size_t cursor = 0;
};

int on_typing(ImGuiInputTextCallbackData* data) {
    Typing& typing = *static_cast<Typing*>(data->UserData);
    typing.cursor = static_cast<std::size_t>(data->CursorPos);
    if (data->EventFlag != ImGuiInputTextFlags_CallbackCompletion) return 0;
    const std::string text(data->Buf, static_cast<std::size_t>(data->BufTextLen));
    const auto found = editor::complete_word(text, typing.cursor, typing.names);
    if (found.empty()) return 0;
    const auto from = static_cast<int>(found.front().from);
    data->DeleteChars(from, data->CursorPos - from);
    data->InsertChars(from, found.front().name.c_str());
    typing.cursor = static_cast<std::size_t>(data->CursorPos);
    return 0;
}

void draw_proposals(Frame& frame, std::string& text, const char* what,
                    const std::vector<editor::WordCompletion>& found) {
    WordField& field = frame.state.word_field;
    ImGui::PushFont(frame.fonts.small);
    for (std::size_t i = 0; i < std::min(found.size(), most_proposals); ++i) {
        if (i > 0) ImGui::SameLine(0, frame.px(4));
        ImGui::PushID(found[i].name.c_str());
        if (ImGui::SmallButton(found[i].name.c_str())) {
            text = editor::completed(text, found[i], field.cursor);
            field.id.clear();
        }
        ImGui::PopID();
        mark(frame, "complete " + found[i].name);
        if (ImGui::IsItemHovered()) field.shown_until = frame.now + proposal_seconds;
        tooltip(frame, what);
    }
    ImGui::PopFont();
}

// Tab completes and then does not go on to the next field as well: ImGui 1.86 asks who wants it
// only when a field is entered.
void claim_tab(const char* label, bool claims) {
    ImGuiContext& context = *ImGui::GetCurrentContext();
    if (context.ActiveId == 0 || context.ActiveId != ImGui::GetID(label)) return;
    constexpr ImU64 tab = ImU64(1) << ImGuiKey_Tab;
    if (claims)
        context.ActiveIdUsingKeyInputMask |= tab;
    else
        context.ActiveIdUsingKeyInputMask &= ~tab;
}

}  // namespace

void word_field(Frame& frame, const char* id, const char* hint, std::string& text,
                ImGuiInputTextFlags flags) {
    completing_field(frame, {id, hint, "One of My words, or an embedding (Tab)"}, text,
                     names_for_texts(frame), flags);
}

bool completing_field(Frame& frame, const FieldText& of, std::string& text,
                      const std::vector<std::string>& names, ImGuiInputTextFlags flags) {
    WordField& field = frame.state.word_field;
    const bool shown = field.id == of.id;
    std::vector<editor::WordCompletion> found;
    if (shown) found = editor::complete_word(text, field.cursor, names);
    flags |= ImGuiInputTextFlags_CallbackAlways;
    // Else Tab goes on to the next field.
    if (!found.empty()) flags |= ImGuiInputTextFlags_CallbackCompletion;
    Typing typing{names, field.cursor};
    const std::string label = std::string("##") + of.id;
    claim_tab(label.c_str(), !found.empty());
    const bool entered =
        ImGui::InputTextWithHint(label.c_str(), of.hint, &text, flags, on_typing, &typing);
    mark(frame, of.id);
    if (ImGui::IsItemActive()) {
        field = {of.id, typing.cursor, frame.now + proposal_seconds};
        found = editor::complete_word(text, field.cursor, names);
    } else if (shown && frame.now > field.shown_until) {
        field.id.clear();
        return entered;
    } else if (shown) {
        frame.state.tooltip_waits = true;  // to be hidden a little later
    }
    if (field.id == of.id && !found.empty()) draw_proposals(frame, text, of.proposal, found);
    return entered;
}

}  // namespace keepsake::gui
