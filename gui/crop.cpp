// The working area over the whole photo: dragged by its middle, resized by its corners.
#include <algorithm>
#include <cmath>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"
#include "gui/picture_place.h"

namespace keepsake::gui {
namespace {

constexpr int smallest_crop = 16;  // editor/photo/photo.h's check_crop

struct Handle {
    int x, y;  // -1 left or top, 1 right or bottom
};
constexpr Handle corners[] = {{-1, -1}, {1, -1}, {-1, 1}, {1, 1}};

// The photo's pixels on the screen.
struct Scale {
    Rect place;
    float pixel;
    Rect of(const editor::Crop& crop) const {
        const ImVec2 min{place.min.x + static_cast<float>(crop.x) * pixel,
                         place.min.y + static_cast<float>(crop.y) * pixel};
        return {min,
                {min.x + static_cast<float>(crop.width) * pixel,
                 min.y + static_cast<float>(crop.height) * pixel}};
    }
};

// A side next to one of `other`, as check_crop allows it, of at most `room`.
int kept_side(int side, int other, int room) {
    const int least =
        std::max(smallest_crop, static_cast<int>(std::ceil(other / editor::longest_shape)));
    const int most = std::min(room, static_cast<int>(other * editor::longest_shape));
    return std::clamp(side, std::min(least, most), most);
}

editor::Crop kept_inside(editor::Crop crop, const editor::Pixels& photo) {
    crop.width = std::clamp(crop.width, std::min(smallest_crop, photo.width), photo.width);
    crop.height = kept_side(crop.height, crop.width, photo.height);
    crop.width = kept_side(crop.width, crop.height, photo.width);
    crop.x = std::clamp(crop.x, 0, photo.width - crop.width);
    crop.y = std::clamp(crop.y, 0, photo.height - crop.height);
    return crop;
}

// By `grow` pixels on every side, about its middle: what is kept of the new size decides by how
// much its corner moves, or a frame at its smallest would wander.
editor::Crop grown(const editor::Crop& from, int grow, const editor::Pixels& photo) {
    editor::Crop crop = from;
    crop.width += 2 * grow;
    crop.height += 2 * grow;
    crop = kept_inside(crop, photo);
    crop.x = from.x + (from.width - crop.width) / 2;
    crop.y = from.y + (from.height - crop.height) / 2;
    return kept_inside(crop, photo);
}

// The corner opposite the dragged one stays; with Shift the shape does, too.
editor::Crop resized(const editor::Crop& from, Handle corner, ImVec2 by,
                     const editor::Pixels& photo) {
    const int right = from.x + from.width, bottom = from.y + from.height;
    const int room_x = corner.x < 0 ? right : photo.width - from.x;
    const int room_y = corner.y < 0 ? bottom : photo.height - from.y;
    float across = by.x * static_cast<float>(corner.x), down = by.y * static_cast<float>(corner.y);
    const float aspect = static_cast<float>(from.width) / static_cast<float>(from.height);
    const bool keeps_shape = ImGui::GetIO().KeyShift;
    if (keeps_shape) across = (across + down * aspect) / 2;
    int width = std::clamp(from.width + static_cast<int>(std::lround(across)),
                           std::min(smallest_crop, from.width), room_x);
    if (keeps_shape) {
        width = std::min(width, static_cast<int>(std::lround(static_cast<float>(room_y) * aspect)));
        down = static_cast<float>(width) / aspect - static_cast<float>(from.height);
    }
    const int height = kept_side(from.height + static_cast<int>(std::lround(down)), width, room_y);
    width = kept_side(width, height, room_x);
    return {corner.x < 0 ? right - width : from.x, corner.y < 0 ? bottom - height : from.y, width,
            height};
}

int corner_at(const Rect& square, ImVec2 point, float reach) {
    for (int i = 0; i < 4; ++i) {
        const float x = corners[i].x < 0 ? square.min.x : square.max.x;
        const float y = corners[i].y < 0 ? square.min.y : square.max.y;
        if (std::abs(point.x - x) < reach && std::abs(point.y - y) < reach) return i;
    }
    return -1;
}

bool inside(const Rect& rect, ImVec2 point) {
    return point.x >= rect.min.x && point.x < rect.max.x && point.y >= rect.min.y &&
           point.y < rect.max.y;
}

void drag(Frame& frame, const Scale& scale, const editor::Pixels& photo) {
    WindowState& state = frame.state;
    editor::Crop& crop = state.draft.tuning.crop;
    const ImVec2 mouse = ImGui::GetIO().MousePos;
    const Rect square = scale.of(crop);
    const int corner = corner_at(square, mouse, frame.px(16));
    if (ImGui::IsItemHovered()) {
        if (corner >= 0) {
            ImGui::SetMouseCursor(corner == 0 || corner == 3 ? ImGuiMouseCursor_ResizeNWSE
                                                             : ImGuiMouseCursor_ResizeNESW);
        } else if (inside(square, mouse)) {
            ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeAll);
        }
    }
    if (ImGui::IsItemActivated()) {
        state.crop_before = crop;
        state.drag_from = mouse;
        state.crop_corner = std::max(corner, 0);
        state.crop_drag = corner >= 0             ? WindowState::CropDrag::resize
                          : inside(square, mouse) ? WindowState::CropDrag::move
                                                  : WindowState::CropDrag::nothing;
    }
    if (!ImGui::IsItemActive() || !state.crop_before) return;
    const float dx = (mouse.x - state.drag_from.x) / scale.pixel;
    const float dy = (mouse.y - state.drag_from.y) / scale.pixel;
    if (state.crop_drag == WindowState::CropDrag::resize) {
        crop = resized(*state.crop_before, corners[state.crop_corner], {dx, dy}, photo);
    } else if (state.crop_drag == WindowState::CropDrag::move) {
        editor::Crop moved = *state.crop_before;
        moved.x += static_cast<int>(std::lround(dx));
        moved.y += static_cast<int>(std::lround(dy));
        crop = kept_inside(moved, photo);
    }
}

void move_by_keys(Frame& frame, const editor::Pixels& photo) {
    const ImGuiIO& io = ImGui::GetIO();
    if (io.WantTextInput || io.KeyCtrl) return;
    editor::Crop crop = frame.state.draft.tuning.crop;
    const int step = std::max(1, photo.width / (io.KeyShift ? 20 : 200));
    const auto pressed = [](ImGuiKey key) { return ImGui::IsKeyPressed(ImGui::GetKeyIndex(key)); };
    if (pressed(ImGuiKey_LeftArrow)) crop.x -= step;
    if (pressed(ImGuiKey_RightArrow)) crop.x += step;
    if (pressed(ImGuiKey_UpArrow)) crop.y -= step;
    if (pressed(ImGuiKey_DownArrow)) crop.y += step;
    for (const ImWchar c : io.InputQueueCharacters) {
        const int grow = c == '+' ? step : c == '-' ? -step : 0;
        if (grow != 0) crop = grown(crop, grow, photo);
    }
    frame.state.draft.tuning.crop = kept_inside(crop, photo);
}

void draw_square(Frame& frame, const Rect& place, const Rect& square) {
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.AddRectFilled(place.min, {place.max.x, square.min.y}, colour::shade);
    list.AddRectFilled({place.min.x, square.max.y}, place.max, colour::shade);
    list.AddRectFilled({place.min.x, square.min.y}, {square.min.x, square.max.y}, colour::shade);
    list.AddRectFilled({square.max.x, square.min.y}, {place.max.x, square.max.y}, colour::shade);
    const ImU32 white = IM_COL32(255, 255, 255, 220), thin = IM_COL32(255, 255, 255, 70);
    for (int i = 1; i < 3; ++i) {
        const float x = square.min.x + square.width() * static_cast<float>(i) / 3;
        const float y = square.min.y + square.height() * static_cast<float>(i) / 3;
        list.AddLine({x, square.min.y}, {x, square.max.y}, thin);
        list.AddLine({square.min.x, y}, {square.max.x, y}, thin);
    }
    list.AddRect(square.min, square.max, white, 0, 0, frame.px(1.5F));
    for (int i = 0; i < 4; ++i) {
        const ImVec2 at{corners[i].x < 0 ? square.min.x : square.max.x,
                        corners[i].y < 0 ? square.min.y : square.max.y};
        const float half = frame.px(6);
        const Rect handle{{at.x - half, at.y - half}, {at.x + half, at.y + half}};
        list.AddRectFilled(handle.min, handle.max, white, frame.px(2));
        mark(frame, "crop corner " + std::to_string(i), handle);
    }
    mark(frame, "crop square", square);
}

}  // namespace

void draw_crop(Frame& frame, const Rect& whole) {
    const Pane pane("##crop", whole, colour::canvas, ImGuiWindowFlags_NoScrollWithMouse);
    const float margin = frame.px(20), hint = frame.px(30);
    const Rect area{{whole.min.x + margin, whole.min.y + margin},
                    {whole.max.x - margin, whole.max.y - margin - hint}};
    const editor::Picture view = frame.document.photo->view;
    const editor::Pixels& photo = frame.document.photo->file->pixels;
    const float aspect = static_cast<float>(view->width) / static_cast<float>(view->height);
    const Rect place = picture_place(area, aspect, 1, {0, 0});
    ImGui::GetWindowDrawList()->AddImage(frame.textures.id(view), place.min, place.max);
    ImGui::SetCursorScreenPos(whole.min);
    ImGui::InvisibleButton("##crop area", whole.size());
    if (frame.state.draft.tuning.crop.width > 0) {
        const Scale scale{place, place.width() / static_cast<float>(photo.width)};
        drag(frame, scale, photo);
        move_by_keys(frame, photo);
        draw_square(frame, place, scale.of(frame.state.draft.tuning.crop));
    }
    const editor::Crop& crop = frame.state.draft.tuning.crop;
    const std::string text =
        "Drag the frame over what you want to edit; drag its corners to "
        "resize it (Shift keeps its shape).   " +
        std::to_string(crop.width) + " \u00d7 " + std::to_string(crop.height) + " of " +
        std::to_string(photo.width) + " \u00d7 " + std::to_string(photo.height) + " pixels";
    ImGui::PushFont(frame.fonts.small);
    const std::string line = shortened(text, whole.width() - frame.px(24));
    const float width = ImGui::CalcTextSize(line.c_str()).x;
    ImGui::GetWindowDrawList()->AddText({whole.centre().x - width / 2, whole.max.y - frame.px(32)},
                                        colour::faint, line.c_str());
    ImGui::PopFont();
}

}  // namespace keepsake::gui
