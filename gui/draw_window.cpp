// The layout of the window, in the room Edit: a bar above, the picture, the film strip below it,
// the panel at the right, a line of status at the bottom.
#include <algorithm>
#include <utility>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

void take_over_document(Frame& frame) {
    WindowState& state = frame.state;
    const editor::Document& document = frame.document;
    if (document.draft_revision != state.draft_revision) {
        const bool opened = !document.history_at && document.tuned == editor::Tuned::nothing;
        state.draft_revision = document.draft_revision;
        state.draft = document.draft;
        state.eta = document.eta;
        state.seed = document.seed;
        state.look_since.reset();
        state.zoom = 1;
        state.pan = {0, 0};
        if (opened) {
            state.view = View::crop;
            state.had_result = false;
            state.focus_text = document.photo != nullptr;
        } else if (state.view == View::crop) {
            state.view = View::edit;
        }
    }
    if (state.view == View::mask && document.tuned != editor::Tuned::fully) state.view = View::edit;
    // Nothing can be drawn before something is painted.
    if (draws_anew(frame) && document.region.reaches_nothing &&
        std::exchange(state.mask.asked_for, document.session) != document.session) {
        state.view = View::mask;
        state.eta = document.eta;
    }
    const bool tuning = document.activity == editor::Activity::tuning;
    if (tuning && !state.was_tuning && state.view == View::crop) state.view = View::edit;
    state.was_tuning = tuning;
    // The first result of a tuning, or of a session that was opened, brings its own eta.
    if (document.shown.after && !state.had_result) {
        state.had_result = true;
        state.eta = document.eta;
        state.seed = document.seed;
        if (state.view == View::crop) state.view = View::edit;
    }
}

void draw_panels(Frame& frame, ImVec2 size) {
    const float bar = frame.px(46), status = frame.px(28);
    const float side = std::clamp(size.x * 0.27F, frame.px(300), frame.px(380));
    const Rect top{{0, 0}, {size.x, bar}};
    draw_top_bar(frame, top);
    draw_status_bar(frame, {{0, size.y - status}, size});
    const float low = size.y - status - fault_bar_height(frame, size.x);
    draw_fault_bar(frame, {{0, low}, {size.x, size.y - status}});
    if (frame.state.room == Room::teach) {
        draw_teach_room(frame, {{0, bar}, {size.x, low}});
        return;
    }
    if (frame.state.room == Room::queue) {
        draw_queue_room(frame, {{0, bar}, {size.x, low}});
        return;
    }
    if (!frame.document.photo) {
        draw_invitation(frame, {{0, bar}, {size.x, low}});
        return;
    }
    const float right = size.x - side;
    const bool has_strip =
        frame.document.tuned == editor::Tuned::fully || !frame.document.quick_looks.empty();
    const float strip = has_strip ? frame.px(134) : 0;
    const Rect panel{{right, bar}, {size.x, low}};
    if (frame.state.view == View::mask) {
        draw_mask_panel(frame, panel);
    } else {
        draw_edit_panel(frame, panel);
    }
    if (strip > 0) draw_film_strip(frame, {{0, low - strip}, {right, low}});
    const Rect canvas{{0, bar}, {right, low - strip}};
    switch (frame.state.view) {
        case View::crop:
            draw_crop(frame, canvas);
            break;
        case View::variations:
            draw_variations(frame, canvas);
            break;
        default:
            draw_canvas(frame, canvas);
    }
}

}  // namespace

void draw_window(Frame& frame) {
    frame.state.drawn = Drawn::other;
    take_over_document(frame);
    take_over_offers(frame);
    take_over_offer(frame);
    finish_external(frame);
    handle_shortcuts(frame);
    draw_panels(frame, ImGui::GetIO().DisplaySize);
    draw_open_dialog(frame);
    draw_export_dialog(frame);
    draw_dropped_offer(frame);
    draw_delete_word(frame);
    draw_help(frame);
}

}  // namespace keepsake::gui
