// What a learning is doing: stage, rate, time left, its losses and evaluations.
#include <algorithm>
#include <string>
#include <vector>

#include "gui/curves.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

using State = editor::TeachBoard::State;

std::string stage_title(const std::string& stage) {
    if (stage == "pictures") return "Reading the photos";
    if (stage == "encode") return "Preparing the photos";
    if (stage == "class") return "Drawing pictures of the kind";
    return stage == "learn" ? "Learning" : "Preparing";
}

// The losses as they are smoothed, and the evaluations as a line with a dot each.
void loss_plot(Frame& frame, const editor::TeachBoard& run) {
    const ImVec2 from = ImGui::GetCursorScreenPos();
    const Rect place{from, {from.x + ImGui::GetContentRegionAvail().x, from.y + frame.px(84)}};
    ImGui::Dummy(place.size());
    mark(frame, "teach plot");
    tooltip(frame,
            "Grey: how far the model is from the photos while it learns; it jumps. Dots: the same "
            "on fixed examples, which can be compared from one to the next.");
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.AddRectFilled(place.min, place.max, IM_COL32(26, 26, 27, 255), frame.px(3));
    Axis axis{1e-6F, static_cast<std::size_t>(std::max<std::int64_t>(run.steps, 1))};
    const std::vector<float> losses = smoothed(*run.losses);
    for (const float value : losses) axis.highest = std::max(axis.highest, value * 1.15F);
    for (const auto& [step, loss] : run.evaluations)
        axis.highest = std::max(axis.highest, static_cast<float>(loss) * 1.15F);
    list.PushClipRect(place.min, place.max, true);
    draw_curve(losses, 0, axis, place, colour::faint);
    std::vector<ImVec2> points;
    for (const auto& [step, loss] : run.evaluations) {
        const float x = static_cast<float>(step) / static_cast<float>(axis.steps);
        const float y = static_cast<float>(loss) / axis.highest;
        points.push_back({place.min.x + x * place.width(), place.max.y - y * place.height()});
        list.AddCircleFilled(points.back(), frame.px(2.5F), colour::accent);
    }
    list.AddPolyline(points.data(), static_cast<int>(points.size()), colour::accent, 0, 1.5F);
    list.PopClipRect();
    ImGui::PushFont(frame.fonts.small);
    list.AddText({place.min.x + frame.px(6), place.max.y - frame.px(20)}, colour::faint, "loss");
    ImGui::PopFont();
}

void state_lines(Frame& frame, const editor::TeachBoard& run) {
    const editor::WorkProgress& progress = run.progress;
    if (run.state == State::running) {
        const bool waits = frame.document.activity == editor::Activity::tuning ||
                           frame.document.activity == editor::Activity::rendering;
        ImGui::TextUnformatted(waits ? "Waits for the edit, then goes on"
                                     : stage_title(progress.stage).c_str());
        const auto total = static_cast<float>(std::max<std::int64_t>(progress.total, 1));
        ImGui::ProgressBar(static_cast<float>(progress.done) / total, {-1, frame.px(8)}, "");
        mark(frame, "teach progress");
        if (progress.total > 0 && progress.stage == "learn") faint_text(frame, rate_text(progress));
        if (progress.seconds_left && progress.stage == "learn")
            faint_text(frame, "about " + time_text(*progress.seconds_left) + " left");
    } else if (run.state == State::stopped && run.fault.empty()) {
        faint_text(frame, "\u201c" + run.draft.token + "\u201d is stopped and saved after " +
                              std::to_string(progress.done) + " of " + std::to_string(run.steps) +
                              " steps.");
    } else if (run.state == State::finished) {
        faint_text(frame,
                   "Learned. Write \u201c" + run.draft.token + "\u201d in the text of an edit.");
    }
    if (!run.fault.empty()) faint_text(frame, run.fault, colour::fault);
    for (const std::string& remark : run.remarks) faint_text(frame, remark);
}

}  // namespace

void draw_teach_progress(Frame& frame) {
    const editor::TeachBoard& run = frame.document.teach.run;
    if (run.state == State::nothing) return;
    state_lines(frame, run);
    if (run.losses && !run.losses->empty()) loss_plot(frame, run);
}

}  // namespace keepsake::gui
