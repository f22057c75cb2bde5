// The panel at the right while the mask is set: which one, its edge, the brush.
#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

using editor::MaskRequest;
using editor::RegionMode;
using editor::RegionSettings;

struct Choice {
    RegionMode mode;
    const char *label, *hint;
};
constexpr std::array choices = {
    Choice{RegionMode::words, "By itself",
           "Where your words belong in the photo, if the model is sure of it; else the whole "
           "square."},
    Choice{RegionMode::none, "The whole area", "No mask: the edit reaches all of the area."},
    Choice{RegionMode::automatic, "Found automatically",
           "Only where your words change what the model sees. A good start to paint on."},
    Choice{RegionMode::painted, "Painted",
           "Only where you paint. It begins with the mask that is chosen now."},
};

void choose(Frame& frame) {
    RegionSettings settings = region_settings(frame);
    const bool anew = draws_anew(frame);
    for (const Choice& choice : choices) {
        const bool is_mask =
            choice.mode == RegionMode::automatic || choice.mode == RegionMode::painted;
        if (anew && !is_mask) continue;
        if (ImGui::RadioButton(choice.label, settings.mode == choice.mode)) {
            settings.mode = choice.mode;
            set_region(frame, settings);
        }
        mark(frame, std::string("mask ") + choice.label);
        tooltip(frame, choice.hint);
    }
}

// Above its slider, whose grab would cover it.
void title(Frame& frame, const char* name, const std::string& value) {
    ImGui::PushFont(frame.fonts.small);
    ImGui::TextUnformatted(name);
    const float width = ImGui::CalcTextSize(value.c_str()).x;
    ImGui::SameLine(ImGui::GetContentRegionMax().x - width);
    ImGui::TextUnformatted(value.c_str());
    ImGui::PopFont();
    ImGui::SetCursorPosY(ImGui::GetCursorPosY() - frame.px(5));
    ImGui::SetNextItemWidth(-1);
}

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.0f %%", 100 * share);
    return text;
}

void slider(Frame& frame, const char* name, double& value, std::array<double, 2> range) {
    const std::string id = std::string("##") + name;
    ImGui::SliderScalar(id.c_str(), ImGuiDataType_Double, &value, &range[0], &range[1], "",
                        ImGuiSliderFlags_AlwaysClamp);
    mark(frame, name);
}

void edge(Frame& frame) {
    RegionSettings settings = region_settings(frame);
    ImGui::BeginDisabled(settings.mode == RegionMode::none || settings.mode == RegionMode::words);
    title(frame, "Threshold", percent(settings.threshold));
    slider(frame, "mask threshold", settings.threshold, {0.02, 0.98});
    tooltip(frame,
            "How much a place must change to be inside. Higher: a smaller region, only where the "
            "change is strongest. What you painted or erased stays as it is.");
    title(frame, "Feather", percent(settings.feather));
    slider(frame, "mask feather", settings.feather, {0, 0.25});
    tooltip(frame,
            "How soft the region's edge is, as a part of the area's side: from the edge inwards "
            "the edit fades in over this length. 0: a hard edge.");
    ImGui::EndDisabled();
    set_region(frame, settings);
}

// Below the sliders, which it must not move while they are dragged.
void hint(Frame& frame) {
    const RegionMode mode = region_settings(frame).mode;
    const editor::RegionView& region = frame.document.region;
    if (mode == RegionMode::automatic && !region.automatic) {
        faint_text(frame, "Looking for it\u2026 The whole area until then.", colour::accent);
    } else if (region.reaches_nothing) {
        faint_text(frame,
                   mode == RegionMode::painted ? "Nothing is painted yet: paint over the picture."
                                               : "The threshold leaves nothing: lower it.",
                   colour::accent);
    }
}

void tint(Frame& frame) {
    MaskTool& tool = frame.state.mask;
    ImGui::Checkbox("Show the tint", &tool.tint);
    mark(frame, "mask tint");
    tooltip(frame, "A colour over the picture where the edit does not reach (O)");
    ImGui::BeginDisabled(!tool.tint);
    if (ImGui::RadioButton("outside", !tool.tint_inside)) tool.tint_inside = false;
    mark(frame, "tint outside");
    tooltip(frame, "Coloured is what stays as it was");
    ImGui::SameLine();
    if (ImGui::RadioButton("inside", tool.tint_inside)) tool.tint_inside = true;
    mark(frame, "tint inside");
    tooltip(frame, "Coloured is what is edited");
    ImGui::EndDisabled();
}

void whole_button(Frame& frame, const char* label, const char* hint, MaskRequest::Kind kind) {
    const float width =
        (ImGui::GetContentRegionMax().x - ImGui::GetStyle().WindowPadding.x - 2 * frame.px(6)) / 3;
    if (ImGui::Button(label, {width, 0})) frame.send(MaskRequest{kind});
    mark(frame, std::string("mask ") + label);
    tooltip(frame, hint);
}

void brush(Frame& frame) {
    float& radius = frame.state.mask.radius;
    float size = 2 * radius;
    title(frame, "Brush", std::to_string(std::lround(size)));
    ImGui::SliderFloat("##brush", &size, 2 * smallest_brush, 2 * largest_brush, "",
                       ImGuiSliderFlags_AlwaysClamp | ImGuiSliderFlags_Logarithmic);
    radius = size / 2;
    mark(frame, "brush size");
    tooltip(frame,
            "As large on the screen at any zoom: zoom in to paint finely. [ and ] change it.");
    faint_text(frame,
               "Drag over the picture to add to the region. The right button, or Ctrl, takes away. "
               "The middle button moves the zoomed picture.");
    whole_button(frame, "Clear", "Begins with nothing inside", MaskRequest::Kind::clear);
    ImGui::SameLine(0, frame.px(6));
    whole_button(frame, "Fill", "Begins with everything inside", MaskRequest::Kind::fill);
    ImGui::SameLine(0, frame.px(6));
    whole_button(frame, "Invert", "Inside becomes outside", MaskRequest::Kind::invert);
    if (!frame.document.region.automatic) return;
    if (ImGui::Button("Begin again with the automatic one",
                      {ImGui::GetContentRegionAvail().x, 0})) {
        frame.send(MaskRequest{MaskRequest::Kind::automatic});
    }
    mark(frame, "mask From automatic");
    tooltip(frame,
            "What was painted is replaced by the mask that was found. Ctrl+Z brings it back.");
}

}  // namespace

void draw_mask_panel(Frame& frame, const Rect& place) {
    const Pane pane("##mask", place, colour::panel, ImGuiWindowFlags_AlwaysVerticalScrollbar);
    const bool anew = draws_anew(frame);
    ImGui::TextUnformatted(anew ? "What shall be drawn anew?" : "Where may the edit reach?");
    choose(frame);
    edge(frame);
    hint(frame);
    ImGui::Separator();
    tint(frame);
    ImGui::Separator();
    brush(frame);
    ImGui::Dummy({0, frame.px(2)});
    const ImVec2 size{ImGui::GetContentRegionAvail().x, frame.px(36)};
    if (primary_button(anew ? "Draw it" : "Done", size, true)) set_view(frame, View::edit);
    mark(frame, "mask Done");
    tooltip(frame,
            anew ? "Draws what is painted anew, as your words say (1). The mask is kept with the "
                   "session."
                 : "Back to the picture (1). The mask is kept with the session, and the exported "
                   "photo has it.");
}

}  // namespace keepsake::gui
