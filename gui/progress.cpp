// What a tuning is doing: stage, rate, time left, and its losses as a curve.
#include <algorithm>
#include <string>
#include <vector>

#include "gui/curves.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

std::string stage_title(const std::string& stage) {
    if (stage == "embedding") return "1 of 2: fitting the words to your photo";
    if (stage == "rate") return "2 of 2: finding how fast the photo can be learned";
    if (stage == "finetune") return "2 of 2: learning the photo";
    return stage.empty() ? "Preparing" : stage;
}

void loss_plot(Frame& frame, const editor::LossCurves& losses) {
    const editor::TuningDraft& tuning = frame.document.tuned_draft.tuning;
    const ImVec2 from = ImGui::GetCursorScreenPos();
    const Rect place{from, {from.x + ImGui::GetContentRegionAvail().x, from.y + frame.px(64)}};
    ImGui::Dummy(place.size());
    mark(frame, "loss plot");
    tooltip(frame,
            "How far the model is from your photo while it learns. It jumps; what counts is "
            "that it falls. Left of the line: the words; right of it: the photo.");
    ImDrawList& list = *ImGui::GetWindowDrawList();
    list.AddRectFilled(place.min, place.max, IM_COL32(26, 26, 27, 255), frame.px(3));
    const auto first = static_cast<std::size_t>(tuning.embedding_steps);
    const std::size_t all = first + static_cast<std::size_t>(tuning.finetune_steps);
    Axis axis{1e-6F, std::max<std::size_t>(all, 1)};
    const std::vector<float> words = smoothed(losses.embedding), photo = smoothed(losses.finetune);
    for (const float value : words) axis.highest = std::max(axis.highest, value * 1.15F);
    for (const float value : photo) axis.highest = std::max(axis.highest, value * 1.15F);
    const float border =
        place.min.x + place.width() * static_cast<float>(first) / static_cast<float>(axis.steps);
    list.AddLine({border, place.min.y}, {border, place.max.y}, colour::line);
    list.PushClipRect(place.min, place.max, true);
    draw_curve(words, 0, axis, place, colour::faint);
    draw_curve(photo, first, axis, place, colour::accent);
    list.PopClipRect();
    ImGui::PushFont(frame.fonts.small);
    list.AddText({place.min.x + frame.px(6), place.max.y - frame.px(20)}, colour::faint, "loss");
    ImGui::PopFont();
}

// Steps of both stages together, as one bar, which rests while the rate of the second is found.
float whole_fraction(const editor::Document& document) {
    const editor::TuningDraft& tuning = document.tuned_draft.tuning;
    const editor::WorkProgress& progress = document.progress;
    const bool first = progress.stage == "embedding";
    const double before = first ? 0 : static_cast<double>(tuning.embedding_steps);
    const double done = progress.stage == "rate" ? 0 : static_cast<double>(progress.done);
    const auto all = static_cast<double>(tuning.embedding_steps + tuning.finetune_steps);
    if (all <= 0) return 0;
    return static_cast<float>((before + done) / all);
}

}  // namespace

void draw_progress(Frame& frame) {
    const editor::Document& document = frame.document;
    const bool tuning = document.activity == editor::Activity::tuning;
    if (tuning) {
        const editor::WorkProgress& progress = document.progress;
        ImGui::TextUnformatted(stage_title(progress.stage).c_str());
        ImGui::ProgressBar(whole_fraction(document), {-1, frame.px(8)}, "");
        mark(frame, "progress");
        if (progress.total > 0) faint_text(frame, rate_text(progress));
        if (progress.seconds_left) {
            const std::string left = "about " + time_text(*progress.seconds_left) + " left";
            faint_text(frame, left + (progress.stage == "embedding" ? " of the first part" : ""));
        }
    } else if (document.tuned == editor::Tuned::partly) {
        faint_text(frame, "Stopped and saved. Go on continues where it was.");
    }
    if (document.losses && (tuning || document.tuned == editor::Tuned::partly)) {
        loss_plot(frame, *document.losses);
    }
}

}  // namespace keepsake::gui
