#include "gui/picture_place.h"

#include <algorithm>
#include <cmath>

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

// Steps do not pass over the whole picture and 100 %.
float stepped(const WindowState& state, float factor) {
    const float next = state.zoom * factor;
    for (const float stop : {1.0F, state.pixel_zoom}) {
        if (stop <= 0) continue;
        const bool passes = factor > 1 ? state.zoom < stop * 0.999F && next > stop * 0.999F
                                       : state.zoom > stop * 1.001F && next < stop * 1.001F;
        if (passes) return stop;
    }
    return next;
}

// Small pictures are shown larger than their pixels already: then eight times the fit.
float close_zoom(const WindowState& state) {
    return state.pixel_zoom > 1.2F ? state.pixel_zoom : 8;
}

void zoom_about(WindowState& state, ImVec2 pointer, const Rect& area, float aspect, float zoom) {
    const Rect before = picture_place(area, aspect, state.zoom, state.pan);
    const ImVec2 at{(pointer.x - before.min.x) / before.width(),
                    (pointer.y - before.min.y) / before.height()};
    state.zoom = std::clamp(zoom, 0.25F, most_zoom);
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
    // A unit of the window may be several pixels of the screen.
    const float density = std::max(1.0F, ImGui::GetIO().DisplayFramebufferScale.x);
    return static_cast<float>(picture_width) / (fitted_size(area, aspect).x * density);
}

Rect pixel_aligned(const Rect& place, int picture_width) {
    const float density = std::max(1.0F, ImGui::GetIO().DisplayFramebufferScale.x);
    const float scale = place.width() * density / static_cast<float>(picture_width);
    if (std::abs(scale - 1) > 1e-3F) return place;
    const ImVec2 min{std::round(place.min.x * density) / density,
                     std::round(place.min.y * density) / density};
    const float width = static_cast<float>(picture_width) / density;
    const float height = std::round(width * place.height() / place.width() * density) / density;
    return {min, {min.x + width, min.y + height}};
}

Rect area_place(const Frame& frame, const Rect& place) {
    const editor::Crop& crop = frame.document.tuned_draft.tuning.crop;
    const float pixel =
        place.width() / static_cast<float>(frame.document.photo->file->pixels.width);
    const ImVec2 min{place.min.x + static_cast<float>(crop.x) * pixel,
                     place.min.y + static_cast<float>(crop.y) * pixel};
    return {min,
            {min.x + static_cast<float>(crop.width) * pixel,
             min.y + static_cast<float>(crop.height) * pixel}};
}

void zoom_by(Frame& frame, float factor) {
    if (factor != 1) frame.state.zoom = stepped(frame.state, factor);
    clamp_view(frame.state);
}

void toggle_pixels(Frame& frame) {
    WindowState& state = frame.state;
    state.zoom = state.zoom == 1 ? close_zoom(state) : 1;
    clamp_view(state);
}

void zoom_and_pan(Frame& frame, const Rect& area, float aspect) {
    WindowState& state = frame.state;
    const ImGuiIO& io = ImGui::GetIO();
    if (ImGui::IsItemHovered() && io.MouseWheel != 0) {
        zoom_about(state, io.MousePos, area, aspect,
                   stepped(state, io.MouseWheel > 0 ? 1.25F : 0.8F));
    }
    const bool mask = state.view == View::mask;
    if (!mask && ImGui::IsItemHovered() && ImGui::IsMouseDoubleClicked(0)) {
        if (state.zoom == 1) {
            zoom_about(state, io.MousePos, area, aspect, close_zoom(state));
        } else {
            state.zoom = 1;
        }
        clamp_view(state);
        return;
    }
    const bool drags = mask ? ImGui::IsMouseDown(2) : !state.dragging_wipe;
    if (ImGui::IsItemActive() && drags) {
        const Rect place = picture_place(area, aspect, state.zoom, state.pan);
        state.pan.x += io.MouseDelta.x / place.width();
        state.pan.y += io.MouseDelta.y / place.height();
        clamp_view(state);
    }
}

}  // namespace keepsake::gui
