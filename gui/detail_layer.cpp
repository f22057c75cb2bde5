#include "gui/detail_layer.h"

#include <algorithm>
#include <cmath>

namespace keepsake::gui {
namespace {

const editor::Picture& picture_of(const editor::DetailTile& tile, DetailLayer layer) {
    switch (layer) {
        case DetailLayer::after:
            return tile.after;
        case DetailLayer::difference:
            return tile.difference;
        default:
            return tile.before;
    }
}

}  // namespace

void draw_detail(Frame& frame, DetailLayer layer, const Rect& place, const Rect& visible) {
    const editor::Document& document = frame.document;
    const editor::Detail& detail = document.detail;
    if (frame.state.detail.width == 0) return;
    if (layer != DetailLayer::before && detail.of != document.shown.after) return;
    const int width = document.photo->file->pixels.width;
    const int height = document.photo->file->pixels.height;
    const float across = place.width() / static_cast<float>(width);
    const float down = place.height() / static_cast<float>(height);
    // Pixels that are shown large are shown as such; see the canvas.
    const Sampling sampling =
        frame.state.pixel_zoom > 0 && frame.state.zoom >= 2 * frame.state.pixel_zoom
            ? Sampling::pixels
            : Sampling::smooth;
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.PushClipRect(visible.min, visible.max, true);
    for (const auto& tile : detail.tiles) {
        const editor::Picture& picture = picture_of(*tile, layer);
        if (!picture) continue;
        const editor::Crop &core = tile->core, &whole = tile->place;
        const auto part = [](int at, int from, int size) {
            return static_cast<float>(at - from) / static_cast<float>(size);
        };
        const ImVec2 min{place.min.x + static_cast<float>(core.x) * across,
                         place.min.y + static_cast<float>(core.y) * down};
        const ImVec2 max{place.min.x + static_cast<float>(core.x + core.width) * across,
                         place.min.y + static_cast<float>(core.y + core.height) * down};
        if (max.x < visible.min.x || min.x > visible.max.x || max.y < visible.min.y ||
            min.y > visible.max.y) {
            continue;
        }
        list.AddImage(frame.textures.id(picture, sampling), min, max,
                      {part(core.x, whole.x, whole.width), part(core.y, whole.y, whole.height)},
                      {part(core.x + core.width, whole.x, whole.width),
                       part(core.y + core.height, whole.y, whole.height)});
    }
    list.PopClipRect();
}

void request_detail(Frame& frame, const Rect& place, const Rect& visible) {
    const editor::PhotoView& photo = *frame.document.photo;
    const editor::Pixels &pixels = photo.file->pixels, &view = *photo.view;
    const float density = std::max(1.0F, ImGui::GetIO().DisplayFramebufferScale.x);
    const bool enlarged = place.width() * density > static_cast<float>(view.width) * 1.001F;
    editor::Crop seen;
    if (view.width < pixels.width && enlarged) {
        const float scale = static_cast<float>(pixels.width) / place.width();
        const auto at = [&](float screen, float from, int most) {
            const float pixel = std::floor((screen - from) * scale);
            return static_cast<int>(std::clamp(pixel, 0.0F, static_cast<float>(most)));
        };
        seen.x = at(visible.min.x, place.min.x, pixels.width);
        seen.y = at(visible.min.y, place.min.y, pixels.height);
        seen.width = at(visible.max.x + 1, place.min.x, pixels.width) - seen.x;
        seen.height = at(visible.max.y + 1, place.min.y, pixels.height) - seen.y;
    }
    if (seen == frame.state.detail) return;
    frame.state.detail = seen;
    frame.send(editor::DetailRequest{seen});
}

}  // namespace keepsake::gui
