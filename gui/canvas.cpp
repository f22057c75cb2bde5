// The picture: the edit, before and after, their difference, the preview of a tuning.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>

#include "gui/detail_layer.h"
#include "gui/pane.h"
#include "gui/panels.h"
#include "gui/picture_place.h"

namespace keepsake::gui {
namespace {

// The whole photo, or the photo with a render in its square, or two pictures of it mixed.
struct Layers {
    editor::Picture whole;
    std::optional<DetailLayer> detail = DetailLayer::before;  // over it, where it is zoomed into
    editor::Picture square;                                   // over both; may be null
    editor::Picture over;                                     // likewise, over the whole photo
    double share = 0;                                         // of `over`, 0 to 1
};

// What there is to show now, whatever stage the edit is in.
struct Shown {
    Layers before, after;
    editor::Picture difference;
    std::string caption;  // under the picture: what it is
    Drawn kind = Drawn::other;
};

std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", value);
    return text;
}

// While the hand moves, and until the exact picture is there.
std::optional<Shown> live_picture(const Frame& frame) {
    const editor::Document& document = frame.document;
    if (document.seed != frame.state.seed) return std::nullopt;
    const std::optional<editor::LiveMix> mix = editor::live_mix(document, frame.state.eta);
    if (!mix) return std::nullopt;
    Shown shown{{document.photo->view}, {mix->low, std::nullopt, nullptr, nullptr}, nullptr, {}};
    shown.after.over = mix->high;
    shown.after.share = mix->share;
    shown.kind = Drawn::live;
    shown.caption = "preview";
    if (mix->low_eta < mix->high_eta)
        shown.caption +=
            ", between strengths " + number(mix->low_eta) + " and " + number(mix->high_eta);
    return shown;
}

Shown what_is_shown(const Frame& frame) {
    const editor::Document& document = frame.document;
    const editor::Picture view = document.photo->view;
    Shown shown{{view}, {view}, nullptr, {}};
    if (document.tuned == editor::Tuned::fully) {
        const editor::Comparison& exact = document.shown;
        if (exact.after && exact.eta == frame.state.eta && exact.seed == frame.state.seed) {
            shown = {{exact.before}, {exact.after, DetailLayer::after}, exact.difference, {}};
            shown.kind = Drawn::exact;
            return shown;
        }
        if (const std::optional<Shown> live = live_picture(frame)) return *live;
        if (const editor::Render* near = editor::nearest_render(document, frame.state.eta)) {
            shown.after.square = near->square;
            shown.kind = Drawn::nearest;
            shown.caption = "nearest finished picture, strength " + number(near->eta) +
                            "; the exact one is being made";
        }
        return shown;
    }
    if (document.preview.square) {
        shown.after.square = document.preview.square;
        const editor::Preview& preview = document.preview;
        shown.caption = preview.stage == "nothing"
                            ? "a quick look, before the photo is learned"
                            : "preview at step " + std::to_string(preview.step) + " of part " +
                                  (preview.stage == "embedding" ? "1" : "2");
        shown.caption += ", strength " + number(preview.eta);
    } else if (document.activity == editor::Activity::tuning) {
        shown.caption = "the first preview comes in a few seconds";
    }
    return shown;
}

float aspect_of(const Layers& layers) {
    return static_cast<float>(layers.whole->width) / static_cast<float>(layers.whole->height);
}

// Beyond twice their size pixels are shown as such, so that one can count them.
Sampling sampling_for(const WindowState& state) {
    return state.zoom >= 4 && state.zoom >= 2 * state.pixel_zoom ? Sampling::pixels
                                                                 : Sampling::smooth;
}

struct Cut {
    Rect visible;  // where of the canvas it may appear
};

void draw_picture(Frame& frame, const Layers& layers, const Rect& place, const Cut& cut) {
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const Sampling sampling = sampling_for(frame.state);
    list.PushClipRect(cut.visible.min, cut.visible.max, true);
    list.AddImage(frame.textures.id(layers.whole, sampling), place.min, place.max);
    if (layers.over && layers.share > 0) {
        const int opacity = static_cast<int>(std::lround(layers.share * 255));
        list.AddImage(frame.textures.id(layers.over, sampling), place.min, place.max, {0, 0},
                      {1, 1}, IM_COL32(255, 255, 255, opacity));
    }
    if (layers.detail) draw_detail(frame, *layers.detail, place, cut.visible);
    if (layers.square) {
        const Rect square = area_place(frame, place);
        list.AddImage(frame.textures.id(layers.square, sampling), square.min, square.max);
    }
    list.PopClipRect();
}

void tag(const Frame& frame, ImVec2 at, const char* text) {
    ImGui::PushFont(frame.fonts.small);
    const ImVec2 size = ImGui::CalcTextSize(text);
    const float pad = frame.px(5);
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.AddRectFilled({at.x - pad, at.y - pad}, {at.x + size.x + pad, at.y + size.y + pad},
                       colour::shade, frame.px(3));
    list.AddText(at, colour::text, text);
    ImGui::PopFont();
}

void caption(const Frame& frame, const Rect& area, const std::string& text) {
    if (text.empty()) return;
    ImGui::PushFont(frame.fonts.small);
    const float width = ImGui::CalcTextSize(text.c_str()).x;
    ImGui::PopFont();
    tag(frame, {area.centre().x - width / 2, area.max.y - frame.px(26)}, text.c_str());
}

bool holds_original() {
    return !ImGui::GetIO().WantTextInput && ImGui::IsKeyDown('B') && !ImGui::GetIO().KeyCtrl;
}

void draw_wipe(Frame& frame, const Shown& shown, const Rect& area, const Rect& place) {
    WindowState& state = frame.state;
    const float line = place.min.x + state.wipe * place.width();
    const float reach = frame.px(14);
    const ImVec2 mouse = ImGui::GetIO().MousePos;
    if (ImGui::IsItemActivated() && std::abs(mouse.x - line) < reach) state.dragging_wipe = true;
    if (!ImGui::IsItemActive()) state.dragging_wipe = false;
    if (state.dragging_wipe) {
        state.wipe = std::clamp((mouse.x - place.min.x) / place.width(), 0.0F, 1.0F);
    }
    if (ImGui::IsItemHovered() && std::abs(mouse.x - line) < reach) {
        ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeEW);
    }
    const float x = std::clamp(line, area.min.x, area.max.x);
    draw_picture(frame, shown.before, place, {{area.min, {x, area.max.y}}});
    draw_picture(frame, shown.after, place, {{{x, area.min.y}, area.max}});
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const float top = std::max(area.min.y, place.min.y), low = std::min(area.max.y, place.max.y);
    list.AddLine({line, top}, {line, low}, IM_COL32(255, 255, 255, 230), frame.px(2));
    list.AddCircleFilled({line, (top + low) / 2}, frame.px(9), IM_COL32(255, 255, 255, 240));
    list.AddText(
        {line - ImGui::CalcTextSize("\u2194").x / 2, (top + low) / 2 - ImGui::GetFontSize() / 2},
        IM_COL32(20, 20, 20, 255), "\u2194");
    mark(frame, "wipe line", {{line - 2, top}, {line + 2, low}});
    tag(frame, {std::max(area.min.x, place.min.x) + frame.px(12), top + frame.px(12)}, "before");
    tag(frame, {std::min(area.max.x, place.max.x) - frame.px(46), top + frame.px(12)}, "after");
}

std::array<Rect, 2> halves_of(const Frame& frame, const Rect& area) {
    const float gap = frame.px(8), middle = area.centre().x;
    return {Rect{area.min, {middle - gap / 2, area.max.y}},
            Rect{{middle + gap / 2, area.min.y}, area.max}};
}

void draw_side_by_side(Frame& frame, const Shown& shown, const std::array<Rect, 2>& halves) {
    const Layers pictures[] = {shown.before, shown.after};
    const char* names[] = {"before", "after"};
    for (int i = 0; i < 2; ++i) {
        const Rect place = pixel_aligned(
            picture_place(halves[i], aspect_of(shown.after), frame.state.zoom, frame.state.pan),
            frame.document.photo->file->pixels.width);
        draw_picture(frame, pictures[i], place, {halves[i]});
        tag(frame,
            {std::max(halves[i].min.x, place.min.x) + frame.px(12),
             std::max(halves[i].min.y, place.min.y) + frame.px(12)},
            names[i]);
        mark(frame, std::string("picture ") + names[i], place);
    }
}

}  // namespace

void draw_canvas(Frame& frame, const Rect& whole) {
    const Pane pane("##canvas", whole, colour::canvas, ImGuiWindowFlags_NoScrollWithMouse);
    const float margin = frame.px(14);
    const Rect area{{whole.min.x + margin, whole.min.y + margin},
                    {whole.max.x - margin, whole.max.y - margin}};
    const Shown shown = what_is_shown(frame);
    frame.state.drawn = shown.kind;
    ImGui::SetCursorScreenPos(whole.min);
    // The view Mask paints with the left and right buttons and moves with the middle one.
    ImGui::InvisibleButton("##picture", whole.size(),
                           frame.state.view == View::mask ? ImGuiButtonFlags_MouseButtonMask_
                                                          : ImGuiButtonFlags_MouseButtonLeft);
    mark(frame, "canvas");
    const float aspect = aspect_of(shown.after);
    const int width = frame.document.photo->file->pixels.width;
    const bool two = frame.state.view == View::side_by_side;
    const std::array<Rect, 2> halves = halves_of(frame, area);
    Rect zoomed = area;
    if (two && !holds_original())
        zoomed = halves[ImGui::GetIO().MousePos.x > area.centre().x ? 1 : 0];
    frame.state.pixel_zoom = pixel_zoom(zoomed, aspect, width);
    const Rect place =
        pixel_aligned(picture_place(zoomed, aspect, frame.state.zoom, frame.state.pan), width);
    request_detail(frame, place, zoomed);
    if (frame.state.view == View::wipe && !holds_original()) {
        draw_wipe(frame, shown, area, place);
    } else if (two && !holds_original()) {
        draw_side_by_side(frame, shown, halves);
    } else if (frame.state.view == View::difference && shown.difference && !holds_original()) {
        draw_picture(frame, {shown.difference, DetailLayer::difference, nullptr, nullptr}, place,
                     {area});
        caption(frame, area, "black: unchanged");
    } else {
        draw_picture(frame, holds_original() ? shown.before : shown.after, place, {area});
        if (holds_original()) {
            tag(frame, {place.min.x + frame.px(12), place.min.y + frame.px(12)}, "original");
            mark(frame, "original", place);
        }
    }
    if (frame.state.view == View::mask && !holds_original()) draw_mask_tool(frame, area, place);
    mark(frame, "picture", place);
    zoom_and_pan(frame, zoomed, aspect);
    caption(frame, area, shown.caption);
    if (frame.state.zoom != 1) {
        char percent[32];
        const float scale = frame.state.zoom / frame.state.pixel_zoom;
        std::snprintf(percent, sizeof percent, "%.0f %%", 100.0 * scale);
        tag(frame, {area.min.x + frame.px(6), area.max.y - frame.px(22)}, percent);
    }
}

}  // namespace keepsake::gui
