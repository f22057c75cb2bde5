// How far to go: the renders from the photo (0) beyond the words (1), and the slider below them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

constexpr int last_tenth = 12;

// The slider's rail runs from the middle of the first thumbnail to that of the last.
struct Rail {
    float left, right, y;
    float x_of(double eta) const {
        return left + static_cast<float>(eta / largest_eta) * (right - left);
    }
    double eta_at(float x) const {
        return std::clamp(static_cast<double>((x - left) / (right - left)), 0.0, 1.0) * largest_eta;
    }
};

// The strengths that are mostly best: around the chosen one, where there is one.
struct Useful {
    double first, last;
};

Useful useful_range(const Frame& frame) {
    constexpr double around = 0.15;
    if (const auto chosen = frame.document.chosen_eta) {
        return {std::max(0.0, *chosen - around), std::min(largest_eta, *chosen + around)};
    }
    if (draws_anew(frame)) return {1, 1};  // less shows the photo through
    const editor::ModelView& model = *frame.document.model;
    return {std::max(0.0, model.useful_first), std::min(largest_eta, model.useful_last)};
}

// How far the picture went in the words' direction, at the thumbnail's lower edge.
void draw_direction(const Frame& frame, const editor::Render& render, const Rect& rect) {
    if (!render.direction || render.eta == 0) return;
    char figure[16];
    std::snprintf(figure, sizeof figure, "%.2f", *render.direction);
    ImGui::PushFont(frame.fonts.small);
    const ImVec2 size = ImGui::CalcTextSize(figure);
    const float margin = frame.px(3);
    if (size.x + 2 * margin <= rect.width()) {
        ImDrawList& list = *ImGui::GetWindowDrawList();
        const ImVec2 corner{rect.max.x - size.x - 2 * margin, rect.max.y - size.y - margin};
        list.AddRectFilled(corner, rect.max, IM_COL32(20, 20, 21, 170));
        list.AddText({corner.x + margin, corner.y + margin / 2}, colour::text, figure);
    }
    ImGui::PopFont();
}

// The one that stands for this tenth until the learned picture is there.
const editor::Render* quick_look(const Frame& frame, int tenth) {
    for (const editor::Render& render : frame.document.quick_looks)
        if (std::lround(render.eta * 10) == tenth) return &render;
    return nullptr;
}

// In words, across the thumbnail: nobody shall take it for the edit.
void draw_quick_look(Frame& frame, const editor::Render& render, const Rect& rect) {
    ImDrawList& list = *ImGui::GetWindowDrawList();
    draw_filling(frame, list, render.square, rect);
    ImGui::PushFont(frame.fonts.small);
    const char* label = "quick look";
    if (ImGui::CalcTextSize(label).x > rect.width()) label = "quick";
    const ImVec2 size = ImGui::CalcTextSize(label);
    const float top = rect.max.y - size.y - frame.px(4);
    list.AddRectFilled({rect.min.x, top}, rect.max, IM_COL32(20, 20, 21, 200));
    list.AddText({rect.centre().x - size.x / 2, top + frame.px(2)}, colour::text, label);
    ImGui::PopFont();
    tooltip(frame,
            "A quick look, drawn before the photo was learned: it keeps less of it. The learned "
            "picture comes in its place.");
}

void explain_direction(Frame& frame, const editor::Render* render) {
    if (!render || !render->direction) return;
    const editor::DirectionNote& by = frame.document.measured;
    char figure[32];
    std::snprintf(figure, sizeof figure, "%.2f", *render->direction);
    tooltip(frame, ("Went your words' way by " + std::string(figure) + ": 1 is straight from \"" +
                    by.source +
                    "\", which the photo shows, to your words; 0 is no nearer to them. Directional "
                    "similarity, by " +
                    by.clip + ".")
                       .c_str());
}

void draw_thumbnails(Frame& frame, const Rect& place) {
    const float cell = place.width() / (last_tenth + 1);
    const float gap = frame.px(3);
    const float side = std::min(cell - gap, place.height());
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const Useful range = useful_range(frame);
    for (int tenth = 0; tenth <= last_tenth; ++tenth) {
        const double eta = tenth / 10.0;
        const float centre = place.min.x + (static_cast<float>(tenth) + 0.5F) * cell;
        const float top = place.max.y - side;
        const Rect rect{{centre - side / 2, top}, {centre + side / 2, top + side}};
        ImGui::SetCursorScreenPos(rect.min);
        ImGui::PushID(tenth);
        if (ImGui::InvisibleButton("thumbnail", rect.size())) set_eta(frame, eta);
        ImGui::PopID();
        mark(frame, "strip " + std::to_string(tenth));
        const bool hovered = ImGui::IsItemHovered();
        const editor::Render* render = editor::exact_render(frame.document, eta);
        const auto mix = render ? std::nullopt : editor::preview_mix(frame.document, eta);
        const editor::Render* quick = render || mix ? nullptr : quick_look(frame, tenth);
        explain_direction(frame, render);
        list.AddRectFilled(rect.min, rect.max, IM_COL32(40, 40, 42, 255));
        if (render) draw_filling(frame, list, render->square, rect);
        if (mix) {
            draw_filling(frame, list, mix->low, rect);
            if (mix->share > 0) draw_filling(frame, list, mix->high, rect, mix->share);
            mark(frame, "strip preview " + std::to_string(tenth), rect);
        }
        if (quick) {
            draw_quick_look(frame, *quick, rect);
            mark(frame, "quick look " + std::to_string(tenth), rect);
        }
        const bool useful = eta >= range.first - 1e-9 && eta <= range.last + 1e-9;
        if ((render || mix) && !useful)
            list.AddRectFilled(rect.min, rect.max, IM_COL32(20, 20, 21, 110));
        if (render) draw_direction(frame, *render, rect);
        const bool near = std::lround(frame.state.eta * 10) == tenth;
        if (near || hovered) {
            list.AddRect(rect.min, rect.max, near ? colour::accent : colour::faint, 0, 0,
                         frame.px(2));
        }
    }
}

void draw_rail(Frame& frame, const Rail& rail) {
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const Useful range = useful_range(frame);
    const float half = frame.px(2.5F);
    list.AddRectFilled({rail.left, rail.y - half}, {rail.right, rail.y + half},
                       IM_COL32(70, 70, 74, 255), half);
    list.AddRectFilled({rail.x_of(range.first), rail.y - half},
                       {rail.x_of(range.last), rail.y + half}, colour::accent_faint, half);
    if (const auto chosen = frame.document.chosen_eta) {
        const float x = rail.x_of(*chosen);
        list.AddLine({x, rail.y - 3 * half}, {x, rail.y + 3 * half}, colour::accent, frame.px(2));
    }
    list.AddCircleFilled({rail.x_of(frame.state.eta), rail.y}, frame.px(8), colour::accent);
}

void slide(Frame& frame, const Rail& rail, float reach) {
    ImGui::SetCursorScreenPos({rail.left - reach, rail.y - reach});
    ImGui::InvisibleButton("slider", {rail.right - rail.left + 2 * reach, 2 * reach});
    mark(frame, "slider", {{rail.left, rail.y - reach}, {rail.right, rail.y + reach}});
    if (ImGui::IsItemActive()) set_eta(frame, rail.eta_at(ImGui::GetIO().MousePos.x));
    tooltip(frame,
            "How far to go from your photo towards the words (eta). Left and right arrow "
            "keys move it.");
}

void draw_labels(Frame& frame, const Rect& place, const Rail& rail) {
    ImGui::PushFont(frame.fonts.small);
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const float y = rail.y + frame.px(11);
    const auto text = [&](float x, ImU32 tint, const std::string& line) {
        const float width = ImGui::CalcTextSize(line.c_str()).x;
        const float at = std::clamp(x - width / 2, place.min.x, place.max.x - width);
        list.AddText({at, y}, tint, line.c_str());
    };
    char strength[32];
    std::snprintf(strength, sizeof strength, "strength %.2f", frame.state.eta);
    const float value_x = rail.x_of(frame.state.eta), half = frame.px(70);
    text(value_x, colour::accent, strength);
    // The fixed labels give way to the value.
    const Useful range = useful_range(frame);
    const float useful = (rail.x_of(range.first) + rail.x_of(range.last)) / 2;
    if (value_x > rail.left + half * 1.5F) text(rail.left, colour::faint, "your photo");
    if (value_x < rail.right - half * 1.5F) text(rail.right, colour::faint, "your words");
    if (std::abs(value_x - useful) > half * 1.5F && !draws_anew(frame))
        text(useful, colour::faint,
             frame.document.chosen_eta ? "your words arrive" : "mostly best here");
    ImGui::PopFont();
}

}  // namespace

void draw_film_strip(Frame& frame, const Rect& whole) {
    const Pane pane("##strip", whole, colour::panel, ImGuiWindowFlags_NoScrollWithMouse);
    if (!frame.document.model) return;
    const float margin = frame.px(14);
    const Rect place{{whole.min.x + margin, whole.min.y + frame.px(10)},
                     {whole.max.x - margin, whole.max.y - frame.px(6)}};
    const float cell = place.width() / (last_tenth + 1);
    const Rect thumbnails{place.min, {place.max.x, place.max.y - frame.px(50)}};
    draw_thumbnails(frame, thumbnails);
    const Rail rail{place.min.x + cell / 2, place.max.x - cell / 2, place.max.y - frame.px(35)};
    slide(frame, rail, frame.px(12));
    draw_rail(frame, rail);
    draw_labels(frame, place, rail);
    ImGui::GetWindowDrawList()->AddLine(whole.min, {whole.max.x, whole.min.y}, colour::line);
}

}  // namespace keepsake::gui
