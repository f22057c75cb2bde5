// Opening by path or by picture: a folder's photos and sessions as thumbnails.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "editor/session/is_session.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

namespace fs = std::filesystem;

constexpr const char* open_title = "Open a photo or session";
constexpr const char* add_title = "Add photos";

fs::path home() {
    const char* path = std::getenv("HOME");
    return path && *path ? fs::path(path) : fs::path("/");
}

// Where people keep photos: beside the one that is open, else Pictures, else home.
fs::path first_folder(Frame& frame) {
    std::error_code code;
    const fs::path asked = std::exchange(frame.state.open.first, {});
    if (!asked.empty()) return asked;
    if (!frame.document.folder.path.empty()) return frame.document.folder.path;
    if (frame.document.photo && frame.document.session.empty()) {
        return fs::absolute(frame.document.photo->file->path, code).parent_path();
    }
    const fs::path pictures = home() / "Pictures";
    return fs::is_directory(pictures, code) ? pictures : home();
}

void go_to_folder(Frame& frame, const fs::path& folder) {
    OpenDialog& dialog = frame.state.open;
    // Whole, so that there is a folder above it.
    std::error_code code;
    fs::path whole = fs::absolute(folder.empty() ? "." : folder, code).lexically_normal();
    if (code) whole = folder;
    if (!whole.has_filename()) whole = whole.parent_path();
    dialog.listed = whole;
    dialog.path = whole.string();
    dialog.selected = -1;
    frame.send(editor::FolderRequest{whole});
}

void open_item(Frame& frame, const editor::ShelfItem& item) {
    if (item.kind == editor::ShelfItem::Kind::folder) {
        go_to_folder(frame, item.path);
    } else if (frame.state.open.adds) {
        // Stays for the next one.
        if (item.kind != editor::ShelfItem::Kind::photo) return;
        if (frame.state.room == Room::queue)
            frame.send(editor::QueueAddRequest{{item.path}, {}, {}});
        else
            frame.send(editor::TeachAddRequest{{item.path}});
    } else {
        open_file(frame, item.path);
        ImGui::CloseCurrentPopup();
    }
}

// A typed path: a folder is shown, anything else is opened.
void open_typed(Frame& frame) {
    std::string text = frame.state.open.path;
    if (text.starts_with("~/")) text = (home() / text.substr(2)).string();
    const fs::path path(text);
    std::error_code code;
    const bool folder = fs::is_directory(path, code) && !editor::is_session(path);
    open_item(frame, {path,
                      folder ? editor::ShelfItem::Kind::folder : editor::ShelfItem::Kind::photo,
                      {},
                      {},
                      nullptr});
}

void path_line(Frame& frame) {
    OpenDialog& dialog = frame.state.open;
    if (ImGui::Button("Up")) go_to_folder(frame, dialog.listed.parent_path());
    mark(frame, "Up");
    tooltip(frame, "The folder above (Backspace)");
    ImGui::SameLine();
    if (ImGui::Button("Home")) go_to_folder(frame, home());
    ImGui::SameLine();
    ImGui::SetNextItemWidth(-1);
    if (ImGui::InputText("##path", &dialog.path, ImGuiInputTextFlags_EnterReturnsTrue)) {
        open_typed(frame);
    }
    mark(frame, "open path");
    tooltip(frame, "A photo, a session or a folder; Enter opens it");
}

void draw_item(Frame& frame, int index, const ImVec2& size) {
    const editor::ShelfItem& item = frame.document.folder.items[static_cast<std::size_t>(index)];
    OpenDialog& dialog = frame.state.open;
    ImGui::PushID(index);
    const bool pressed = ImGui::InvisibleButton("item", size);
    ImGui::PopID();
    const Rect place{ImGui::GetItemRectMin(), ImGui::GetItemRectMax()};
    if (ImGui::IsItemVisible()) mark(frame, "file " + item.path.filename().string());
    const bool hovered = ImGui::IsItemHovered();
    if (pressed) dialog.selected = index;
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const float side = size.x;
    const Rect picture{place.min, {place.min.x + side, place.min.y + side}};
    const bool folder = item.kind == editor::ShelfItem::Kind::folder;
    list.AddRectFilled(picture.min, picture.max,
                       folder ? IM_COL32(52, 54, 60, 255) : IM_COL32(44, 44, 46, 255), frame.px(4));
    if (item.thumbnail) draw_filling(frame, list, item.thumbnail, picture);
    ImGui::PushFont(frame.fonts.small);
    if (folder) {
        const ImVec2 text = ImGui::CalcTextSize("folder");
        list.AddText({picture.centre().x - text.x / 2, picture.centre().y - text.y / 2},
                     colour::faint, "folder");
    }
    list.AddText({place.min.x, picture.max.y + frame.px(3)}, colour::text,
                 shortened(item.title, side).c_str());
    ImGui::PopFont();
    if (index == dialog.selected || hovered) {
        list.AddRect(picture.min, picture.max,
                     index == dialog.selected ? colour::accent : colour::faint, frame.px(4), 0,
                     frame.px(2));
    }
    // One click on a photo opens it, as on a card of the first page.
    if (pressed) open_item(frame, item);
}

void move_selection(Frame& frame, int columns) {
    OpenDialog& dialog = frame.state.open;
    if (ImGui::GetIO().WantTextInput) return;
    const int count = static_cast<int>(frame.document.folder.items.size());
    const auto pressed = [](ImGuiKey key) { return ImGui::IsKeyPressed(ImGui::GetKeyIndex(key)); };
    int step = 0;
    if (pressed(ImGuiKey_RightArrow)) step = 1;
    if (pressed(ImGuiKey_LeftArrow)) step = -1;
    if (pressed(ImGuiKey_DownArrow)) step = columns;
    if (pressed(ImGuiKey_UpArrow)) step = -columns;
    if (step != 0 && count > 0) {
        dialog.selected =
            std::clamp(dialog.selected < 0 ? 0 : dialog.selected + step, 0, count - 1);
    }
    if (pressed(ImGuiKey_Backspace)) go_to_folder(frame, dialog.listed.parent_path());
    if (pressed(ImGuiKey_Enter) && dialog.selected >= 0 && dialog.selected < count) {
        open_item(frame, frame.document.folder.items[static_cast<std::size_t>(dialog.selected)]);
    }
}

void items(Frame& frame) {
    const float side = frame.px(112), gap = frame.px(10);
    const ImVec2 size{side, side + frame.px(22)};
    ImGui::BeginChild("items", {0, -frame.px(8)});
    const int columns =
        std::max(1, static_cast<int>((ImGui::GetContentRegionAvail().x + gap) / (side + gap)));
    const editor::Folder& folder = frame.document.folder;
    if (!folder.fault.empty()) faint_text(frame, folder.fault, colour::fault);
    if (folder.fault.empty() && folder.items.empty()) {
        faint_text(frame, "No photos here (JPEG, PNG, WebP or TIFF), and no folders.");
    }
    ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, {gap, gap});
    for (int i = 0; i < static_cast<int>(folder.items.size()); ++i) {
        if (i % columns != 0) ImGui::SameLine();
        draw_item(frame, i, size);
        if (i == frame.state.open.selected && ImGui::IsWindowFocused() &&
            ImGui::IsAnyMouseDown() == false && !ImGui::IsItemVisible()) {
            ImGui::SetScrollHereY();
        }
    }
    ImGui::PopStyleVar();
    move_selection(frame, columns);
    ImGui::EndChild();
}

void add_folder(Frame& frame) {
    if (frame.state.room == Room::teach)
        return frame.send(editor::TeachAddRequest{{frame.state.open.listed}});
    std::vector<fs::path> photos;
    for (const editor::ShelfItem& item : frame.document.folder.items)
        if (item.kind == editor::ShelfItem::Kind::photo) photos.push_back(item.path);
    if (!photos.empty()) queue_photos(frame, photos);
}

// Of the dialog that adds photos: each click adds one; what was added is counted here.
void adding_line(Frame& frame) {
    const std::size_t count = frame.state.room == Room::teach
                                  ? frame.state.teach.draft.pictures.size()
                                  : frame.document.queue->edits.size();
    if (primary_button("Add all photos of this folder", {frame.px(240), 0}, true)) {
        add_folder(frame);
        frame.state.open.showing = false;
    }
    mark(frame, "Add folder");
    ImGui::SameLine();
    if (ImGui::Button("Done")) frame.state.open.showing = false;
    mark(frame, "Done adding");
    ImGui::SameLine();
    ImGui::AlignTextToFramePadding();
    const std::string text = "A click adds a photo. There " +
                             (count == 1 ? std::string("is 1") : "are " + std::to_string(count)) +
                             " now.";
    ImGui::TextUnformatted(text.c_str());
}

}  // namespace

void draw_open_dialog(Frame& frame) {
    OpenDialog& dialog = frame.state.open;
    const char* title = dialog.adds ? add_title : open_title;
    if (dialog.wanted) {
        dialog.wanted = false;
        dialog.showing = true;
        ImGui::OpenPopup(title);
        go_to_folder(frame, first_folder(frame));
    }
    const ImVec2 display = ImGui::GetIO().DisplaySize;
    ImGui::SetNextWindowSize({display.x * 0.8F, display.y * 0.82F});
    ImGui::SetNextWindowPos({display.x / 2, display.y / 2}, 0, {0.5F, 0.5F});
    bool stays = dialog.showing;
    if (!ImGui::BeginPopupModal(title, &stays,
                                ImGuiWindowFlags_NoResize | ImGuiWindowFlags_NoMove)) {
        dialog.showing = false;  // closed by another dialog
        return;
    }
    path_line(frame);
    if (dialog.adds) adding_line(frame);
    items(frame);
    if (ImGui::IsKeyPressed(ImGui::GetKeyIndex(ImGuiKey_Escape)) || !dialog.showing || !stays) {
        dialog.showing = false;
        ImGui::CloseCurrentPopup();
    }
    ImGui::EndPopup();
}

}  // namespace keepsake::gui
