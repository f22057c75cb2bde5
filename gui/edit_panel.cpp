// The panel at the right: the text, Apply, what is under way, advanced settings, history.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

// ImGui 1.86 does not wrap text that is typed, so the field scrolls and the wrapped text is shown
// below it where it is too long to be seen at once.
void text_field(Frame& frame) {
    ImGui::TextUnformatted("What should the photo show?");
    const float width = ImGui::GetContentRegionAvail().x;
    if (frame.state.focus_text) {
        ImGui::SetKeyboardFocusHere();
        frame.state.focus_text = false;
    }
    ImGui::SetNextItemWidth(width);
    ImGui::PushStyleVar(ImGuiStyleVar_FramePadding, {frame.px(10), frame.px(10)});
    word_field(frame, "text", "a photo of a red daisy", frame.state.draft.prompt,
               ImGuiInputTextFlags_AutoSelectAll);
    ImGui::PopStyleVar();
    const std::string& text = frame.state.draft.prompt;
    if (ImGui::CalcTextSize(text.c_str()).x > width - frame.px(24)) faint_text(frame, text);
}

void token_count(Frame& frame) {
    const auto& model = frame.document.model;
    if (!model || !model->count_tokens) return;
    const editor::TokenCount count = model->count_tokens(frame.state.draft.prompt);
    faint_text(frame, std::to_string(count.used) + " of " + std::to_string(count.most) +
                          " tokens (about one a word)");
    tooltip(frame,
            "The model reads a text in pieces, most of them whole words, and sees no more "
            "than this many.");
    if (!count.cut_text.empty()) {
        faint_text(frame, "Too long. The model will not see: \u201c" + count.cut_text + "\u201d",
                   colour::fault);
        mark(frame, "cut text");
    }
}

std::string apply_label(const Frame& frame) {
    const editor::Document& document = frame.document;
    const bool same = editor::same_tuning(frame.state.draft, document.tuned_draft);
    if (document.tuned == editor::Tuned::partly && same) return "Go on";
    if (document.tuned == editor::Tuned::fully && same) return "Applied";
    return "Apply";
}

void apply_button(Frame& frame) {
    const ImVec2 size{ImGui::GetContentRegionAvail().x, frame.px(40)};
    if (frame.document.activity == editor::Activity::tuning) {
        if (ImGui::Button("Stop", size)) frame.send(editor::StopRequest{});
        mark(frame, "Stop");
        tooltip(frame, "Stops here (Esc). What was learned is saved; Go on continues from there.");
        return;
    }
    const std::string label = apply_label(frame);
    if (primary_button((label + "##apply").c_str(), size, can_apply(frame))) apply(frame);
    mark(frame, "Apply");
    const bool anew = editor::draws_anew(frame.state.draft.tuning);
    tooltip(frame, anew ? "Then paint over what shall be drawn anew (Ctrl+Enter)."
                        : "Learns your photo, then edits it (Ctrl+Enter).");
    if (label == "Applied" && anew && !frame.document.shown.after) {
        faint_text(frame, "Paint over what shall be drawn anew: the mask (M).");
    } else if (label == "Applied") {
        faint_text(frame, "Choose how far to go below the picture.");
    } else if (anew) {
        faint_text(frame, "Nothing is learned: what you paint is drawn anew from your words.");
    } else if (frame.document.model && frame.document.tuned == editor::Tuned::nothing) {
        faint_text(frame,
                   "Keepsake first learns your photo, then edits it. You can watch, stop "
                   "and go on at any time.");
    }
}

void model_fault(Frame& frame) {
    const auto& model = frame.document.model;
    if (!model || model->fault.empty()) return;
    faint_text(frame, model->fault, colour::fault);
    if (ImGui::Button("Use the model that comes with Keepsake")) {
        frame.send(editor::ModelRequest{{}, true});
    }
    mark(frame, "Use bundled model");
}

}  // namespace

void draw_edit_panel(Frame& frame, const Rect& place) {
    const Pane pane("##edit", place, colour::panel, ImGuiWindowFlags_AlwaysVerticalScrollbar);
    model_fault(frame);
    draw_offer(frame);
    text_field(frame);
    token_count(frame);
    apply_button(frame);
    draw_progress(frame);
    ImGui::Dummy({0, frame.px(2)});
    draw_advanced(frame);
    draw_history(frame);
}

}  // namespace keepsake::gui
