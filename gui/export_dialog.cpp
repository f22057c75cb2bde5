// Saving a result as a file.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "editor/transfer/export_photo.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

namespace fs = std::filesystem;
using Kind = editor::ExportState::Kind;

constexpr const char* title = "Export";

struct Format {
    const char *name, *extension;
    bool has_quality;
};
constexpr std::array formats = {Format{"PNG", ".png", false}, Format{"JPEG", ".jpg", true},
                                Format{"WebP", ".webp", true}, Format{"TIFF", ".tif", false}};

struct What {
    editor::ExportKind kind;
    const char *name, *hint, *suffix;
};
constexpr std::array whats = {
    What{editor::ExportKind::photo, "The edited photo",
         "Your photo at its own size with the edit in it; its colours, metadata and everything "
         "outside the area stay",
         ""},
    What{editor::ExportKind::square, "The edited area",
         "The area alone, as the model made it at its working size", "-square"},
    What{editor::ExportKind::before_after, "Before and after",
         "The photo and the edit side by side in one picture", "-before-after"},
    What{editor::ExportKind::strip, "The whole strip",
         "The photo and every strength in one picture, labelled", "-strip"},
};

const What& chosen(const ExportDialog& dialog) {
    for (const What& what : whats) {
        if (what.kind == dialog.kind) return what;
    }
    return whats[0];
}

// Which format the typed name has; none of them: npos.
std::size_t format_of(const ExportDialog& dialog) {
    const std::string extension = fs::path(dialog.path).extension().string();
    for (std::size_t i = 0; i < formats.size(); ++i) {
        if (extension == formats[i].extension) return i;
    }
    if (extension == ".jpeg") return 1;
    if (extension == ".tiff") return 3;
    return std::string::npos;
}

fs::path export_folder(const Frame& frame) {
    const std::string& last = frame.state.exporting.path;
    if (!last.empty()) return fs::path(last).parent_path();
    const char* home = std::getenv("HOME");
    std::error_code code;
    const fs::path folder = home && *home ? fs::path(home) : fs::current_path(code);
    return fs::is_directory(folder / "Pictures", code) ? folder / "Pictures" : folder;
}

// What is made of the photo begins with the photo's own format, as on the command line; what is the
// model's with PNG.
std::size_t first_format(const Frame& frame) {
    const editor::ExportKind kind = frame.state.exporting.kind;
    if (kind != editor::ExportKind::photo && kind != editor::ExportKind::before_after) return 0;
    ExportDialog named;
    named.path = "photo" + editor::export_extension(*frame.document.photo->file);
    return format_of(named);
}

void suggest_path(Frame& frame) {
    ExportDialog& dialog = frame.state.exporting;
    const std::size_t format = dialog.format_chosen ? format_of(dialog) : first_format(frame);
    const char* extension = formats[format == std::string::npos ? 0 : format].extension;
    char strength[32];
    std::snprintf(strength, sizeof strength, "-%.2f", frame.document.eta);
    const std::string stem = fs::path(frame.document.photo->name).stem().string();
    const std::string of = dialog.kind == editor::ExportKind::strip ? "" : strength;
    dialog.path = (export_folder(frame) / (stem + of + chosen(dialog).suffix + extension)).string();
}

void choose_what(Frame& frame) {
    ExportDialog& dialog = frame.state.exporting;
    for (const What& what : whats) {
        if (ImGui::RadioButton(what.name, dialog.kind == what.kind)) {
            dialog.kind = what.kind;
            suggest_path(frame);
        }
        mark(frame, std::string("export ") + what.name);
        tooltip(frame, what.hint);
    }
}

// What the mask does to the file.
void mask_note(Frame& frame) {
    const editor::ExportKind kind = frame.state.exporting.kind;
    const bool whole =
        kind == editor::ExportKind::photo || kind == editor::ExportKind::before_after;
    const editor::RegionView& region = frame.document.region;
    if (region.settings.mode == editor::RegionMode::none) return;
    if (region.settings.mode == editor::RegionMode::words && !region.words) return;
    faint_text(frame, whole ? "The edit is kept to the mask."
                            : "Without the mask: this shows what the model made.");
}

void choose_format(Frame& frame) {
    ExportDialog& dialog = frame.state.exporting;
    const std::size_t now = format_of(dialog);
    for (std::size_t i = 0; i < formats.size(); ++i) {
        if (i > 0) ImGui::SameLine();
        if (ImGui::RadioButton(formats[i].name, now == i)) {
            dialog.path = fs::path(dialog.path).replace_extension(formats[i].extension).string();
            dialog.format_chosen = true;
        }
        mark(frame, std::string("format ") + formats[i].name);
    }
    const bool quality = now != std::string::npos && formats[now].has_quality;
    ImGui::BeginDisabled(!quality);
    ImGui::SetNextItemWidth(-1);
    ImGui::SliderInt("##quality", &dialog.quality, 1, 100,
                     quality ? "quality %d" : "quality: this format loses nothing");
    ImGui::EndDisabled();
    mark(frame, "quality");
}

void send(Frame& frame, bool overwrite) {
    ExportDialog& dialog = frame.state.exporting;
    editor::ExportRequest request;
    request.kind = dialog.kind;
    request.path = dialog.path;
    request.quality = dialog.quality;
    request.strip_gps = dialog.strip_gps;
    request.overwrite = overwrite;
    dialog.sent = true;
    close_notice(frame);  // of the export before
    frame.send(request);
}

// The answer to what was sent, if it is about the name that is in the field.
void answer(Frame& frame) {
    ExportDialog& dialog = frame.state.exporting;
    const editor::ExportState& state = frame.document.exported;
    if (!dialog.sent || state.path != fs::path(dialog.path)) return;
    if (state.kind == Kind::failed) faint_text(frame, state.fault, colour::fault);
    if (state.kind == Kind::exists) {
        faint_text(frame, "A file of this name is there already.", colour::accent);
        if (ImGui::Button("Replace it")) send(frame, true);
        mark(frame, "Replace it");
    }
    if (state.kind == Kind::written) {
        dialog.sent = false;
        dialog.showing = false;
    }
}

}  // namespace

void draw_export_dialog(Frame& frame) {
    ExportDialog& dialog = frame.state.exporting;
    if (dialog.wanted) {
        dialog.wanted = false;
        dialog.showing = true;
        dialog.sent = false;
        suggest_path(frame);
        ImGui::OpenPopup(title);
    }
    const ImVec2 display = ImGui::GetIO().DisplaySize;
    ImGui::SetNextWindowSize({frame.px(560), 0});
    ImGui::SetNextWindowPos({display.x / 2, display.y / 2}, 0, {0.5F, 0.5F});
    bool stays = dialog.showing;
    if (!ImGui::BeginPopupModal(title, &stays,
                                ImGuiWindowFlags_NoResize | ImGuiWindowFlags_NoMove)) {
        dialog.showing = false;  // closed by another dialog
        return;
    }
    choose_what(frame);
    mask_note(frame);
    ImGui::Separator();
    choose_format(frame);
    ImGui::BeginDisabled(dialog.kind != editor::ExportKind::photo);
    ImGui::Checkbox("Leave out where it was taken", &dialog.strip_gps);
    ImGui::EndDisabled();
    mark(frame, "strip gps");
    ImGui::TextUnformatted("Save as");
    ImGui::SetNextItemWidth(-1);
    const bool entered =
        ImGui::InputText("##path", &dialog.path, ImGuiInputTextFlags_EnterReturnsTrue);
    mark(frame, "export path");
    answer(frame);
    ImGui::Dummy({0, frame.px(4)});
    const float width = frame.px(130);
    ImGui::SetCursorPosX(ImGui::GetWindowWidth() - 2 * width - frame.px(24));
    const bool cancelled = ImGui::Button("Cancel", {width, 0}) ||
                           ImGui::IsKeyPressed(ImGui::GetKeyIndex(ImGuiKey_Escape));
    ImGui::SameLine();
    if (primary_button("Export", {width, 0}, can_export(frame)) || entered) send(frame, false);
    mark(frame, "Export now");
    if (cancelled || !dialog.showing || !stays) {
        dialog.showing = false;
        ImGui::CloseCurrentPopup();
    }
    ImGui::EndPopup();
}

}  // namespace keepsake::gui
