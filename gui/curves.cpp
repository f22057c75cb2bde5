#include "gui/curves.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace keepsake::gui {

std::string time_text(double seconds) {
    const int whole = static_cast<int>(std::lround(seconds));
    if (whole < 60) return std::to_string(whole) + " s";
    if (whole < 3600)
        return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
    return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

std::string rate_text(const editor::WorkProgress& progress) {
    std::string text =
        std::to_string(progress.done) + " of " + std::to_string(progress.total) + " steps";
    if (progress.rate > 0) {
        char rate[32];
        if (progress.rate >= 1) {
            std::snprintf(rate, sizeof rate, ", %.1f a second", progress.rate);
        } else {
            std::snprintf(rate, sizeof rate, ", %.1f s each", 1 / progress.rate);
        }
        text += rate;
    }
    return text;
}

std::vector<float> smoothed(const std::vector<float>& values) {
    std::vector<float> result;
    const std::size_t reach = std::max<std::size_t>(2, values.size() / 25);
    double sum = 0;
    std::size_t first = 0, last = 0;  // [first, last) is summed
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t from = i > reach ? i - reach : 0;
        const std::size_t to = std::min(values.size(), i + reach + 1);
        while (last < to) sum += values[last++];
        while (first < from) sum -= values[first++];
        result.push_back(static_cast<float>(sum / static_cast<double>(to - from)));
    }
    return result;
}

void draw_curve(const std::vector<float>& values, std::size_t from, const Axis& axis,
                const Rect& place, ImU32 tint) {
    std::vector<ImVec2> points;
    const std::size_t stride = std::max<std::size_t>(1, values.size() / 300);
    for (std::size_t i = 0; i < values.size(); i += stride) {
        const float x = static_cast<float>(from + i) / static_cast<float>(axis.steps);
        const float y = std::min(1.0F, values[i] / axis.highest);
        points.push_back({place.min.x + x * place.width(), place.max.y - y * place.height()});
    }
    ImGui::GetWindowDrawList()->AddPolyline(points.data(), static_cast<int>(points.size()), tint, 0,
                                            1.5F);
}

}  // namespace keepsake::gui
