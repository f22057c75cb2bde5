#include "editor/finished_picture.h"

#include <algorithm>
#include <cstdlib>

#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

constexpr int difference_gain = 2;

}  // namespace

Pixels difference_of(const Pixels& a, const Pixels& b) {
    if (a.width != b.width || a.height != b.height) {
        throw Error("difference", "the pictures have not the same size");
    }
    Pixels result{a.width, a.height, std::vector<std::uint8_t>(a.rgb.size())};
    for (std::size_t i = 0; i < a.rgb.size(); ++i) {
        const int change = std::abs(int(a.rgb[i]) - int(b.rgb[i]));
        result.rgb[i] = static_cast<std::uint8_t>(std::min(255, change * difference_gain));
    }
    return result;
}

Comparison finished_picture(const RenderedSquares& squares, const Render& render) {
    Comparison comparison{render.eta, render.seed, squares.working_square, render.square, nullptr};
    comparison.difference =
        std::make_shared<const Pixels>(difference_of(*comparison.before, *comparison.after));
    return comparison;
}

}  // namespace keepsake::editor
