// How far a training is, as text and as curves of its losses.
#pragma once

#include <string>
#include <vector>

#include "gui/frame.h"

namespace keepsake::gui {

std::string time_text(double seconds);                        // "2 min 10 s"
std::string rate_text(const editor::WorkProgress& progress);  // "12 of 96 steps, 3.1 a second"

// The mean of the losses around each point: single ones jump with their random noise.
std::vector<float> smoothed(const std::vector<float>& values);

struct Axis {
    float highest = 0;
    std::size_t steps = 1;  // of the whole width
};

// The values of the steps from `from` on as a line in `place`, in the present window.
void draw_curve(const std::vector<float>& values, std::size_t from, const Axis& axis,
                const Rect& place, ImU32 tint);

}  // namespace keepsake::gui
