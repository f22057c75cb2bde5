// The edit region over the picture: a tint where the edit does not reach (or where it does), and
// the brush that paints it.
#include <algorithm>
#include <cmath>

#include "gui/panels.h"
#include "gui/picture_place.h"

namespace keepsake::gui {
namespace {

using Opaque = Textures::Opaque;

// A colour that few photos and edits have: red, which masks have had since film, would pass for an
// edit here.
constexpr ImU32 film = IM_COL32(0, 178, 190, 128);
constexpr ImU32 outline = IM_COL32(255, 255, 255, 90);

void tint_outside(ImDrawList& list, const Rect& place, const Rect& square) {
    list.AddRectFilled(place.min, {place.max.x, square.min.y}, film);
    list.AddRectFilled({place.min.x, square.max.y}, place.max, film);
    list.AddRectFilled({place.min.x, square.min.y}, {square.min.x, square.max.y}, film);
    list.AddRectFilled({square.max.x, square.min.y}, {place.max.x, square.max.y}, film);
}

void draw_tint(Frame& frame, const Rect& place, const Rect& square) {
    const MaskTool& tool = frame.state.mask;
    const editor::SharedMask& weights = frame.document.region.weights;
    ImDrawList& list = *ImGui::GetWindowDrawList();
    if (!tool.tint_inside) tint_outside(list, place, square);
    if (weights) {
        const Opaque opaque = tool.tint_inside ? Opaque::inside : Opaque::outside;
        list.AddImage(frame.textures.id(weights, opaque), square.min, square.max, {0, 0}, {1, 1},
                      film);
    } else if (tool.tint_inside) {
        list.AddRectFilled(square.min, square.max, film);
    }
}

void draw_brush(const Frame& frame, bool erases) {
    const ImVec2 at = ImGui::GetIO().MousePos;
    const float radius = frame.px(frame.state.mask.radius);
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const ImU32 white = IM_COL32(255, 255, 255, 235), black = IM_COL32(0, 0, 0, 150);
    const float arm = frame.px(4);
    for (const auto& [tint, thick] : {std::pair{black, 3.0F}, std::pair{white, 1.5F}}) {
        list.AddCircle(at, radius, tint, 0, frame.px(thick));
        if (radius < 2 * arm) continue;
        list.AddLine({at.x - arm, at.y}, {at.x + arm, at.y}, tint, frame.px(thick));
        if (!erases) list.AddLine({at.x, at.y - arm}, {at.x, at.y + arm}, tint, frame.px(thick));
    }
}

bool same_place(const editor::BrushPoint& a, const editor::BrushPoint& b) {
    return a.x == b.x && a.y == b.y;
}

// Sends what was added to the stroke in this frame.
void paint(Frame& frame, const Rect& square) {
    MaskTool& tool = frame.state.mask;
    const ImGuiIO& io = ImGui::GetIO();
    const editor::BrushPoint now{(io.MousePos.x - square.min.x) / square.width(),
                                 (io.MousePos.y - square.min.y) / square.height()};
    const double radius = frame.px(tool.radius) / square.width();
    const bool begins = ImGui::IsItemActivated() && !ImGui::IsMouseDown(2);
    if (begins) {
        tool.painting = true;
        tool.erasing = ImGui::IsMouseDown(1) || io.KeyCtrl;
        tool.last = now;
    }
    if (!tool.painting) return;
    const bool ends = !ImGui::IsItemActive();
    if (begins || ends || !same_place(now, tool.last)) {
        frame.send(editor::StrokeRequest{{{tool.last, now}, radius, tool.erasing}, begins, ends});
    }
    tool.last = now;
    tool.painting = !ends;
}

}  // namespace

void draw_mask_tool(Frame& frame, const Rect& area, const Rect& place) {
    const Rect square = area_place(frame, place);
    const bool hovered = ImGui::IsItemHovered();
    paint(frame, square);
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.PushClipRect(area.min, area.max, true);
    if (frame.state.mask.tint) draw_tint(frame, place, square);
    list.AddRect(square.min, square.max, outline);
    list.PopClipRect();
    const bool moving = ImGui::IsItemActive() && ImGui::IsMouseDown(2);
    if ((hovered || frame.state.mask.painting) && !moving) {
        const bool erases =
            frame.state.mask.painting ? frame.state.mask.erasing : ImGui::GetIO().KeyCtrl;
        draw_brush(frame, erases);
        ImGui::SetMouseCursor(ImGuiMouseCursor_None);
    }
    mark(frame, "mask square", square);
}

}  // namespace keepsake::gui
