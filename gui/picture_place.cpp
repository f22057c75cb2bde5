#include "gui/picture_place.h"

#include <algorithm>

namespace keepsake::gui {
namespace {

constexpr float most_zoom = 64;
constexpr float margin_units = 14;

ImVec2 fitted_size(const Rect& area, float aspect) {
    const float width = std::min(area.width(), area.height() * aspect);
    return {width, width / aspect};
}

// The picture's centre stays within reach.
void clamp_view(WindowState& state) {
    state.zoom = std::clamp(state.zoom, 0.25F, most_zoom);
    const float reach = std::max(0.0F, 0.5F - 0.25F / state.zoom);
    state.pan.x = std::clamp(state.pan.x, -reach, reach);
    state.pan.y = std::clamp(state.pan.y, -reach, reach);
    if (state.zoom <= 1) state.pan = {0, 0};
}

void zoom_about(WindowState& state, ImVec2 pointer, const Rect& area, float aspect, float factor) {
    const Rect before = picture_place(area, aspect, state.zoom, state.pan);
    const ImVec2 at{(pointer.x - before.min.x) / before.width(),
                    (pointer.y - before.min.y) / before.height()};
    state.zoom = std::clamp(state.zoom * factor, 0.25F, most_zoom);
    const Rect after = picture_place(area, aspect, state.zoom, state.pan);
    state.pan.x += (pointer.x - (after.min.x + at.x * after.width())) / after.width();
    state.pan.y += (pointer.y - (after.min.y + at.y * after.height())) / after.height();
    clamp_view(state);
}

}  // namespace

Rect picture_place(const Rect& area, float aspect, float zoom, ImVec2 pan) {
    const ImVec2 fitted = fitted_size(area, aspect);
    const ImVec2 size{fitted.x * zoom, fitted.y * zoom};
    const ImVec2 centre{area.centre().x + pan.x * size.x, area.centre().y + pan.y * size.y};
    return {{centre.x - size.x / 2, centre.y - size.y / 2},
            {centre.x + size.x / 2, centre.y + size.y / 2}};
}

float pixel_zoom(const Rect& area, float aspect, int picture_width) {
    return static_cast<float>(picture_width) / fitted_size(area, aspect).x;
}

void zoom_by(Frame& frame, float factor) {
    frame.state.zoom *= factor;
    clamp_view(frame.state);
}

void zoom_and_pan(Frame& frame, const Rect& area, float aspect, int picture_width) {
    WindowState& state = frame.state;
    const ImGuiIO& io = ImGui::GetIO();
    if (ImGui::IsItemHovered() && io.MouseWheel != 0) {
        zoom_about(state, io.MousePos, area, aspect, io.MouseWheel > 0 ? 1.25F : 0.8F);
    }
    if (ImGui::IsItemHovered() && ImGui::IsMouseDoubleClicked(0)) {
        // Small pictures are shown larger than their pixels already: then eight times the fit.
        const float pixels = pixel_zoom(area, aspect, picture_width);
        const float close = pixels > 1.2F ? pixels : 8;
        if (state.zoom == 1) {
            zoom_about(state, io.MousePos, area, aspect, close);
        } else {
            state.zoom = 1;
        }
        clamp_view(state);
        return;
    }
    if (ImGui::IsItemActive() && !state.dragging_wipe) {
        const Rect place = picture_place(area, aspect, state.zoom, state.pan);
        state.pan.x += io.MouseDelta.x / place.width();
        state.pan.y += io.MouseDelta.y / place.height();
        clamp_view(state);
    }
}

}  // namespace keepsake::gui
