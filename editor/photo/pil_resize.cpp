#include "editor/photo/pil_resize.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

constexpr int precision_bits = 22;  // 32 - 8 - 2, as in PIL

// Of one place of the result: the first pixel that counts, and the weights from there.
struct Window {
    int first = 0;
    std::vector<std::int32_t> weights;
};

double bicubic(double x) {
    constexpr double a = -0.5;
    x = std::abs(x);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

std::int32_t fixed_point(double weight) {
    const double scaled = weight * (1 << precision_bits);
    return static_cast<std::int32_t>(weight < 0 ? scaled - 0.5 : scaled + 0.5);
}

std::vector<Window> windows_of(int from, int to) {
    const double scale = static_cast<double>(from) / to;
    const double widening = std::max(scale, 1.0), support = 2 * widening;
    std::vector<Window> windows;
    for (int i = 0; i < to; ++i) {
        const double centre = (i + 0.5) * scale;
        const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
        const int end = std::min(static_cast<int>(centre + support + 0.5), from);
        std::vector<double> weights;
        double sum = 0;
        for (int x = first; x < end; ++x) {
            weights.push_back(bicubic((x - centre + 0.5) * (1.0 / widening)));
            sum += weights.back();
        }
        Window window{first, {}};
        for (const double weight : weights)
            window.weights.push_back(fixed_point(sum == 0 ? weight : weight / sum));
        windows.push_back(std::move(window));
    }
    return windows;
}

std::uint8_t rounded(std::int32_t sum) {
    return static_cast<std::uint8_t>(std::clamp(sum >> precision_bits, 0, 255));
}

Pixels across(const Pixels& pixels, int width) {
    const std::vector<Window> windows = windows_of(pixels.width, width);
    Pixels result{width, pixels.height, {}};
    result.rgb.reserve(std::size_t(width) * pixels.height * 3);
    for (int y = 0; y < pixels.height; ++y)
        for (const Window& window : windows)
            for (int channel = 0; channel < 3; ++channel) {
                const std::uint8_t* from =
                    &pixels.rgb[(std::size_t(y) * pixels.width + window.first) * 3 + channel];
                std::int32_t sum = 1 << (precision_bits - 1);
                for (std::size_t i = 0; i < window.weights.size(); ++i)
                    sum += from[i * 3] * window.weights[i];
                result.rgb.push_back(rounded(sum));
            }
    return result;
}

Pixels down(const Pixels& pixels, int height) {
    Pixels result{pixels.width, height, {}};
    const std::size_t row = std::size_t(pixels.width) * 3;
    result.rgb.reserve(row * height);
    for (const Window& window : windows_of(pixels.height, height))
        for (std::size_t x = 0; x < row; ++x) {
            const std::uint8_t* from = &pixels.rgb[std::size_t(window.first) * row + x];
            std::int32_t sum = 1 << (precision_bits - 1);
            for (std::size_t i = 0; i < window.weights.size(); ++i)
                sum += from[i * row] * window.weights[i];
            result.rgb.push_back(rounded(sum));
        }
    return result;
}

// Of half a pixel, too.
int middle(int trim, CentreRule rule) {
    if (rule == CentreRule::down || trim % 2 == 0) return trim / 2;
    const int below = trim / 2;
    return below % 2 == 0 ? below : below + 1;
}

}  // namespace

Pixels pil_resize(const Pixels& pixels, int width, int height) {
    if (width < 1 || height < 1) throw Error("picture", "cannot be resized to nothing");
    const Pixels wide = width == pixels.width ? pixels : across(pixels, width);
    return height == wide.height ? wide : down(wide, height);
}

Pixels clip_square(const Pixels& pixels, int shortest, int crop, CentreRule rule) {
    if (crop < 1 || shortest < crop) throw Error("picture", "cannot be cut to more than it is");
    const auto other = [&](int longer, int shorter) {
        return static_cast<int>(static_cast<double>(shortest) * longer / shorter);
    };
    const bool wide = pixels.width > pixels.height;
    const int width = wide ? other(pixels.width, pixels.height) : shortest;
    const int height = wide ? shortest : other(pixels.height, pixels.width);
    const Pixels resized = pil_resize(pixels, width, height);
    const int left = middle(width - crop, rule), top = middle(height - crop, rule);
    Pixels square{crop, crop, {}};
    for (int y = 0; y < crop; ++y) {
        const auto from =
            resized.rgb.begin() + (std::ptrdiff_t(top + y) * width + left) * std::ptrdiff_t(3);
        square.rgb.insert(square.rgb.end(), from, from + std::ptrdiff_t(crop) * 3);
    }
    return square;
}

}  // namespace keepsake::editor
