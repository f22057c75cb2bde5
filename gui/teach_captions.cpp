// Captions that a captioner says, for the photos of the room Teach.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

// Those without a caption; all, where the person wants them anew.
std::vector<std::filesystem::path> photos_to_caption(const TeachRoom& room) {
    std::vector<std::filesystem::path> photos;
    for (const editor::TeachPicture& picture : room.draft.pictures)
        if (room.captions_anew || picture.caption.empty()) photos.push_back(picture.file);
    return photos;
}

void stop_button(Frame& frame, const editor::CaptionBoard& board) {
    if (ImGui::Button("Stop##captions")) frame.send(editor::TeachCaptionStopRequest{});
    mark(frame, "Stop captions");
    tooltip(frame, "Stops after this photo. What was said stays.");
    ImGui::SameLine(0, frame.px(8));
    ImGui::AlignTextToFramePadding();
    faint_text(frame,
               "Captioning: " + std::to_string(board.done) + " of " + std::to_string(board.total));
}

void start_button(Frame& frame) {
    TeachRoom& room = frame.state.teach;
    const std::vector<std::filesystem::path> photos = photos_to_caption(room);
    ImGui::BeginDisabled(photos.empty());
    if (ImGui::Button("Caption")) {
        close_notice(frame);
        frame.send(editor::TeachCaptionRequest{photos, room.captioner});
    }
    ImGui::EndDisabled();
    mark(frame, "Caption");
    tooltip(frame,
            "Says of each photo without a caption what it shows: the model itself, in the words "
            "that it was taught, or the captioner at the right. You can change what it says; "
            "nothing is written beside your photos.");
    ImGui::SameLine(0, frame.px(8));
    // A field is as dark as the canvas.
    ImGui::PushStyleColor(ImGuiCol_FrameBg, colour::panel);
    ImGui::Checkbox("anew", &room.captions_anew);
    mark(frame, "captions anew");
    tooltip(frame, "Also in place of the captions that are there.");
    ImGui::SameLine(0, frame.px(8));
    ImGui::SetNextItemWidth(std::max(ImGui::GetContentRegionAvail().x, frame.px(80)));
    ImGui::InputTextWithHint("##captioner", "by the model itself; or a folder of BLIP",
                             &room.captioner);
    ImGui::PopStyleColor();
    mark(frame, "captioner");
    tooltip(frame,
            "A folder of transformers' BlipForConditionalGeneration (config.json, "
            "model.safetensors, vocab.txt). Empty: the model itself.");
}

}  // namespace

void draw_teach_captions(Frame& frame) {
    const editor::CaptionBoard& board = frame.document.teach.captions;
    if (board.running)
        stop_button(frame, board);
    else
        start_button(frame);
}

// What the person wrote meanwhile stays, unless all were wanted anew.
void take_over_captions(Frame& frame) {
    TeachRoom& room = frame.state.teach;
    const std::vector<editor::CaptionSaid>& said = frame.document.teach.captions.said;
    for (; room.captions_taken < said.size(); ++room.captions_taken) {
        const editor::CaptionSaid& one = said[room.captions_taken];
        for (editor::TeachPicture& picture : room.draft.pictures)
            if (picture.file == one.photo && (room.captions_anew || picture.caption.empty()))
                picture.caption = one.caption;
    }
}

}  // namespace keepsake::gui
