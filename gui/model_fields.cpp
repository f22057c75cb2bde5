// Which model draws, and what is added to it.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <string>
#include <vector>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

using Names = std::vector<std::string>;

void use_model(Frame& frame) {
    const WindowState& state = frame.state;
    editor::ModelChoice choice{state.model_path, state.vae, state.loras};
    if (state.model_path.empty()) choice.path = frame.document.model->choice.path;
    close_notice(frame);
    frame.send(editor::ModelRequest{choice, false});
}

// The names of the root's files, to choose one from. Returns it; else null.
const std::string* chosen_name(Frame& frame, const char* field, const Names& names) {
    const std::string* chosen = nullptr;
    if (names.empty()) return chosen;
    const std::string id = std::string("##list of ") + field;
    const bool open = ImGui::BeginCombo(id.c_str(), nullptr,
                                        ImGuiComboFlags_NoPreview | ImGuiComboFlags_PopupAlignLeft);
    mark(frame, std::string("list of ") + field);
    tooltip(frame, "The files in the folder that KEEPSAKE_FILES names");
    if (!open) return chosen;
    if (ImGui::IsWindowAppearing()) frame.send(editor::FileNamesRequest{});
    for (const std::string& name : names) {
        if (ImGui::Selectable(name.c_str())) chosen = &name;
        mark(frame, std::string(field) + " " + name);
    }
    ImGui::EndCombo();
    return chosen;
}

struct FileField {
    const char *name, *hint, *explanation;
    bool several = false;  // a chosen name is added to what is there
};

void file_field(Frame& frame, const FileField& field, const Names& names, std::string& text) {
    // The list first, at the right: what is proposed comes below the field.
    const ImVec2 at = ImGui::GetCursorPos();
    const float list = names.empty() ? 0 : ImGui::GetFrameHeight() + frame.px(4);
    const float width = ImGui::GetContentRegionAvail().x - list;
    ImGui::SetCursorPosX(at.x + width + frame.px(4));
    const std::string* chosen = chosen_name(frame, field.name, names);
    ImGui::SetCursorPos(at);
    ImGui::SetNextItemWidth(width);
    const bool entered = completing_field(frame, {field.name, field.hint, "A file (Tab)"}, text,
                                          names, ImGuiInputTextFlags_EnterReturnsTrue);
    tooltip(frame, field.explanation);
    if (chosen) text = field.several && !text.empty() ? text + ", " + *chosen : *chosen;
    if (entered || chosen) use_model(frame);
}

}  // namespace

void draw_model_fields(Frame& frame) {
    WindowState& state = frame.state;
    const auto& model = frame.document.model;
    if (state.parts_of != model) {
        state.parts_of = model;
        state.vae = model->choice.vae;
        state.loras = model->choice.loras;
    }
    const editor::FileNames& files = *frame.document.files;
    ImGui::TextUnformatted("Model");
    faint_text(frame, model->choice.path.string());
    file_field(frame,
               {"Model", "folder, .safetensors file or name",
                "A Stable Diffusion 1.x or 2.x model: a diffusers folder or a .safetensors file. "
                "Enter loads it; an open photo is then edited anew."},
               files.models, state.model_path);
    file_field(frame,
               {"VAE", "VAE: the model's own",
                "What turns the model's pictures into pixels, in place of its own: a file. Enter "
                "loads it; empty: the model's own."},
               files.vaes, state.vae);
    file_field(frame,
               {"LoRAs", "LoRAs: none, or roses:0.8, grain",
                "Added to the model's weights, each with how much of it (1 where nothing is said). "
                "Enter loads them; an open photo is then edited anew.",
                true},
               files.loras, state.loras);
    ImGui::Dummy({0, frame.px(28)});  // for what is proposed below the last field
}

}  // namespace keepsake::gui
