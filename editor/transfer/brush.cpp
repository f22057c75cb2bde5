#include "editor/transfer/brush.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace keepsake::editor {
namespace {

// From a place to the nearest one of a segment.
double distance_to(double x, double y, const BrushPoint& a, const BrushPoint& b) {
    const double dx = b.x - a.x, dy = b.y - a.y;
    const double length = dx * dx + dy * dy;
    const double t =
        length > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / length, 0.0, 1.0) : 0.0;
    return std::hypot(x - (a.x + t * dx), y - (a.y + t * dy));
}

// The segment in the mask's pixels; its edge is one pixel wide.
void paint_segment(Mask& mask, const BrushPoint& a, const BrushPoint& b, double radius,
                   bool erases) {
    const double reach = radius + 1;
    const auto within = [](double at, int count) {
        return static_cast<int>(std::clamp(at, 0.0, static_cast<double>(count)));
    };
    const int left = within(std::floor(std::min(a.x, b.x) - reach), mask.width);
    const int right = within(std::ceil(std::max(a.x, b.x) + reach), mask.width);
    const int top = within(std::floor(std::min(a.y, b.y) - reach), mask.height);
    const int bottom = within(std::ceil(std::max(a.y, b.y) + reach), mask.height);
    for (int y = top; y < bottom; ++y) {
        for (int x = left; x < right; ++x) {
            const double cover =
                std::clamp(radius + 0.5 - distance_to(x + 0.5, y + 0.5, a, b), 0.0, 1.0);
            const auto paint = static_cast<std::uint8_t>(std::lround(255 * cover));
            std::uint8_t& value = mask.values[std::size_t(y) * mask.width + x];
            value = erases ? std::min<std::uint8_t>(value, 255 - paint) : std::max(value, paint);
        }
    }
}

}  // namespace

void paint(Mask& mask, const BrushLine& line) {
    if (line.points.empty()) return;
    const auto in_pixels = [&](const BrushPoint& point) {
        return BrushPoint{point.x * mask.width, point.y * mask.height};
    };
    const double radius = std::max(0.5, line.radius * mask.width);
    BrushPoint from = in_pixels(line.points.front());
    paint_segment(mask, from, from, radius, line.erases);
    for (std::size_t i = 1; i < line.points.size(); ++i) {
        const BrushPoint to = in_pixels(line.points[i]);
        paint_segment(mask, from, to, radius, line.erases);
        from = to;
    }
}

Mask plain_mask(const Size& size, std::uint8_t value) {
    return {size.width, size.height,
            std::vector<std::uint8_t>(std::size_t(size.width) * size.height, value)};
}

Mask inverted(const Mask& mask) {
    Mask result = mask;
    for (std::uint8_t& value : result.values) value = 255 - value;
    return result;
}

Mask resized(const Mask& mask, const Size& size) {
    if (mask.width == size.width && mask.height == size.height) return mask;
    Mask result = plain_mask(size, 0);
    const cv::Mat from(mask.height, mask.width, CV_8UC1,
                       const_cast<std::uint8_t*>(mask.values.data()));
    cv::Mat to(size.height, size.width, CV_8UC1, result.values.data());
    const bool smaller = size.width < mask.width;
    cv::resize(from, to, to.size(), 0, 0, smaller ? cv::INTER_AREA : cv::INTER_CUBIC);
    return result;
}

}  // namespace keepsake::editor
