// All keys, under F1.
#include <array>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

constexpr const char* title = "Keys";

struct Key {
    const char *keys, *what;
};
constexpr std::array keys = {
    Key{"Ctrl+O", "Open a photo or session; in the rooms Teach and Queue, add photos"},
    Key{"Ctrl+T", "The room Teach, and back to Edit"},
    Key{"Ctrl+J", "The room Queue, and back to Edit"},
    Key{"Ctrl+L", "Write the text"},
    Key{"Ctrl+Enter",
        "Apply the text, or go on where you stopped; in Teach, start learning; "
        "in Queue, add the texts"},
    Key{"Tab", "In a text, completes one of My words that it begins to spell"},
    Key{"Esc", "Stop what is under way; close a dialog"},
    Key{"Left, Right", "Less or more strength; with Shift in larger steps"},
    Key{"C", "Crop. Arrow keys move the frame, + and - resize it"},
    Key{"M", "Mask: where the edit may reach. O shows or hides its tint"},
    Key{"  painting it", "Drag adds, the right button or Ctrl takes away; [ and ] size the brush"},
    Key{"1", "The edited picture"},
    Key{"2", "Wipe between before and after; [ and ] move the line"},
    Key{"3", "Before and after side by side"},
    Key{"4", "Difference"},
    Key{"5", "Variations; N and P show the next and previous ones, arrow keys choose"},
    Key{"B (hold)", "The original"},
    Key{"+, -, 0, Z", "Zoom in, out, whole picture, 100 %; also mouse wheel and double click"},
    Key{"Shift+arrows", "Move the zoomed picture; also by dragging it, or the middle button"},
    Key{"Ctrl+Z, Ctrl+Shift+Z", "Undo, redo"},
    Key{"Ctrl+E", "Export"},
    Key{"Ctrl+S", "Save and close a photo that another program opened here"},
    Key{"Ctrl+D", "Advanced settings; Tab goes from field to field"},
    Key{"Ctrl+W, Ctrl+Q", "Close the photo, close the window; both save"},
};

}  // namespace

void draw_help(Frame& frame) {
    if (frame.state.help && !ImGui::IsPopupOpen(title)) ImGui::OpenPopup(title);
    const ImVec2 display = ImGui::GetIO().DisplaySize;
    ImGui::SetNextWindowPos({display.x / 2, display.y / 2}, 0, {0.5F, 0.5F});
    bool stays = true;
    if (!ImGui::BeginPopupModal(title, &stays,
                                ImGuiWindowFlags_AlwaysAutoResize | ImGuiWindowFlags_NoMove)) {
        return;
    }
    if (ImGui::BeginTable("keys", 2, ImGuiTableFlags_RowBg)) {
        ImGui::TableSetupColumn("keys", ImGuiTableColumnFlags_WidthFixed, frame.px(190));
        ImGui::TableSetupColumn("what", ImGuiTableColumnFlags_WidthFixed, frame.px(560));
        for (const Key& key : keys) {
            ImGui::TableNextRow();
            ImGui::TableNextColumn();
            ImGui::TextColored(ImGui::ColorConvertU32ToFloat4(colour::accent), "%s", key.keys);
            ImGui::TableNextColumn();
            ImGui::TextUnformatted(key.what);
        }
        ImGui::EndTable();
    }
    const bool closed = ImGui::IsKeyPressed(ImGui::GetKeyIndex(ImGuiKey_Escape));
    if (closed || !stays || !frame.state.help) {
        frame.state.help = false;
        ImGui::CloseCurrentPopup();
    }
    mark(frame, "help", {ImGui::GetWindowPos(), ImGui::GetWindowPos()});
    ImGui::EndPopup();
}

}  // namespace keepsake::gui
