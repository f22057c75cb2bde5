// Painting a mask.
#pragma once

#include <vector>

#include "editor/transfer/full_resolution.h"

namespace keepsake::editor {

// In shares of the area's sides, from its left upper corner; may lie outside.
struct BrushPoint {
    double x = 0, y = 0;
};

// A line along the points with a round brush. A mask's place that it covers is inside from now on
// (255), or outside (0) where it erases.
struct BrushLine {
    std::vector<BrushPoint> points;
    double radius = 0;  // a share of the area's width
    bool erases = false;
};

void paint(Mask& mask, const BrushLine& line);

Mask plain_mask(const Size& size, std::uint8_t value);
Mask inverted(const Mask& mask);
// Smooth.
Mask resized(const Mask& mask, const Size& size);

}  // namespace keepsake::editor
