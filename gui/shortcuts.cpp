// The keyboard. What help.cpp lists is done here, but for what a dialog or the crop does itself.
#include <GLFW/glfw3.h>

#include <algorithm>

#include "gui/panels.h"
#include "gui/picture_place.h"

namespace keepsake::gui {
namespace {

bool pressed(int key) {
    return ImGui::IsKeyPressed(key, false);
}

void in_teach_room(Frame& frame) {
    const ImGuiIO& io = ImGui::GetIO();
    using State = editor::TeachBoard::State;
    if (io.KeyCtrl && pressed('O')) begin_add_photos(frame);
    if (io.KeyCtrl && pressed('Q')) frame.state.quit = true;
    if (io.KeyCtrl && (pressed(GLFW_KEY_ENTER) || pressed(GLFW_KEY_KP_ENTER)))
        start_teaching(frame);
    if (pressed(GLFW_KEY_ESCAPE) && !io.WantTextInput &&
        frame.document.teach.run.state == State::running)
        frame.send(editor::TeachStopRequest{});
}

void in_queue_room(Frame& frame) {
    const ImGuiIO& io = ImGui::GetIO();
    if (io.KeyCtrl && pressed('O')) begin_add_photos(frame);
    if (io.KeyCtrl && pressed('Q')) frame.state.quit = true;
    if (io.KeyCtrl && pressed('D')) frame.state.advanced = !frame.state.advanced;
    if (io.KeyCtrl && (pressed(GLFW_KEY_ENTER) || pressed(GLFW_KEY_KP_ENTER))) queue_texts(frame);
    if (pressed(GLFW_KEY_ESCAPE) && !io.WantTextInput && editor::is_wanted(*frame.document.queue))
        frame.send(editor::QueueRunRequest{editor::QueueRunRequest::What::pause});
}

void with_control(Frame& frame) {
    const bool shift = ImGui::GetIO().KeyShift;
    if (pressed('O')) begin_open(frame);
    if (pressed('E')) begin_export(frame);
    if (pressed('L')) frame.state.focus_text = true;
    if (pressed('D')) frame.state.advanced = !frame.state.advanced;
    const bool external = !frame.state.external.path.empty();
    if (pressed('S') && external) save_external(frame);
    if (pressed('W') && frame.document.photo && !external) frame.send(editor::CloseRequest{});
    if (pressed('Q') || (pressed('W') && external)) frame.state.quit = true;
    if (pressed('Z') && !shift) undo(frame);
    if ((pressed('Z') && shift) || pressed('Y')) redo(frame);
    if (pressed(GLFW_KEY_ENTER) || pressed(GLFW_KEY_KP_ENTER)) apply(frame);
}

// Chosen by neighbour in the grid.
void step_variation(Frame& frame, int step) {
    const auto& variations = frame.document.variations;
    for (std::size_t i = 0; i < variations.size(); ++i) {
        if (variations[i].seed != frame.state.seed) continue;
        const auto next = static_cast<std::ptrdiff_t>(i) + step;
        if (next >= 0 && next < static_cast<std::ptrdiff_t>(variations.size())) {
            choose_seed(frame, variations[static_cast<std::size_t>(next)].seed);
        }
        return;
    }
    if (!variations.empty()) choose_seed(frame, variations.front().seed);
}

void arrows(Frame& frame) {
    const ImGuiIO& io = ImGui::GetIO();
    const auto held = [](ImGuiKey key) { return ImGui::IsKeyPressed(ImGui::GetKeyIndex(key)); };
    const int x = int(held(ImGuiKey_RightArrow)) - int(held(ImGuiKey_LeftArrow));
    const int y = int(held(ImGuiKey_DownArrow)) - int(held(ImGuiKey_UpArrow));
    if ((x == 0 && y == 0) || frame.state.view == View::crop) return;
    if (frame.state.view == View::variations) {
        step_variation(frame, x + 3 * y);
    } else if (io.KeyShift && frame.state.zoom > 1) {
        const float step = 0.06F / frame.state.zoom;
        frame.state.pan.x -= static_cast<float>(x) * step;
        frame.state.pan.y -= static_cast<float>(y) * step;
        zoom_by(frame, 1);
    } else {
        set_eta(frame, frame.state.eta + x * (io.KeyShift ? 0.1 : 0.01));
    }
}

void letters(Frame& frame) {
    WindowState& state = frame.state;
    const bool result = frame.document.tuned == editor::Tuned::fully;
    const bool cropping = state.view == View::crop;
    for (const ImWchar c : ImGui::GetIO().InputQueueCharacters) {
        if (c == 'c') set_view(frame, View::crop);
        if (c == 'm' && result) set_view(frame, View::mask);
        if (c == '1') set_view(frame, View::edit);
        if (c == '2' && result) set_view(frame, View::wipe);
        if (c == '3' && result) set_view(frame, View::side_by_side);
        if (c == '4' && result) set_view(frame, View::difference);
        if (c == '5' && result) set_view(frame, View::variations);
        if (c == '+' && !cropping) zoom_by(frame, 1.25F);
        if (c == '-' && !cropping) zoom_by(frame, 0.8F);
        if (c == '0') state.zoom = 1, state.pan = {0, 0};
        if (c == 'z' && !cropping) toggle_pixels(frame);
        if (state.view == View::mask) {
            if (c == '[') resize_brush(frame, 0.85F);
            if (c == ']') resize_brush(frame, 1 / 0.85F);
            if (c == 'o') state.mask.tint = !state.mask.tint;
        } else {
            if (c == '[') state.wipe = std::max(0.0F, state.wipe - 0.02F);
            if (c == ']') state.wipe = std::min(1.0F, state.wipe + 0.02F);
        }
        if (state.view == View::variations && (c == 'n' || c == 'p')) {
            const bool back = c == 'p';
            if (back && state.first_variation < variation_count) continue;
            state.first_variation += back ? -variation_count : variation_count;
            set_view(frame, View::variations);
        }
    }
}

}  // namespace

void handle_shortcuts(Frame& frame) {
    const ImGuiIO& io = ImGui::GetIO();
    if (pressed(GLFW_KEY_F1)) frame.state.help = !frame.state.help;
    if (frame.state.open.showing || frame.state.exporting.showing || frame.state.help ||
        frame.state.offer.asking)
        return;
    if (!frame.state.teach.deleting.empty()) return;
    const bool teaches = frame.state.room == Room::teach;
    if (io.KeyCtrl && pressed('T')) return set_room(frame, teaches ? Room::edit : Room::teach);
    const bool queue = frame.state.room == Room::queue;
    if (io.KeyCtrl && pressed('J')) return set_room(frame, queue ? Room::edit : Room::queue);
    if (teaches) return in_teach_room(frame);
    if (queue) return in_queue_room(frame);
    if (io.KeyCtrl) {
        with_control(frame);
        return;
    }
    if (pressed(GLFW_KEY_ESCAPE) && !io.WantTextInput &&
        frame.document.activity != editor::Activity::idle &&
        frame.document.activity != editor::Activity::queue &&
        frame.document.activity != editor::Activity::captioning &&
        frame.document.activity != editor::Activity::teaching) {
        frame.send(editor::StopRequest{});
    }
    if (io.WantTextInput || !frame.document.photo) return;
    arrows(frame);
    letters(frame);
}

}  // namespace keepsake::gui
