#include "editor/transfer/masked_part.h"

#include <algorithm>

#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

constexpr int least_side = 16;  // of check_crop
constexpr std::uint8_t white = 128;

// From the first pixel to behind the last.
struct Span {
    int begin, end;
    int length() const { return end - begin; }
};

// To `length`, half of it on each side, pushed back into [0, most).
void widen(Span& span, int length, int most) {
    const int more = length - span.length();
    if (more <= 0) return;
    span.begin -= more / 2;
    span.end += more - more / 2;
    if (span.end >= most) {
        span.begin -= span.end - most;
        span.end = most;
    }
    if (span.begin < 0) {
        span.end -= span.begin;
        span.begin = 0;
    }
    span.end = std::min(span.end, most);
}

struct Box {
    Span across, down;
};

// Of what is white, in the mask's own places.
Box white_box(const Mask& mask) {
    Box box{{mask.width, 0}, {mask.height, 0}};
    for (int y = 0; y < mask.height; ++y) {
        for (int x = 0; x < mask.width; ++x) {
            if (mask.values[std::size_t(y) * mask.width + x] < white) continue;
            box.across = {std::min(box.across.begin, x), std::max(box.across.end, x + 1)};
            box.down = {std::min(box.down.begin, y), std::max(box.down.end, y + 1)};
        }
    }
    if (box.across.length() <= 0) throw Error("mask", "nothing in it is white");
    return box;
}

// In `pixels` that lie where `places` of the mask do.
Span in_pixels(const Span& span, int places, int pixels) {
    const auto at = [&](int i) { return std::int64_t{i} * pixels; };
    return {static_cast<int>(at(span.begin) / places),
            static_cast<int>((at(span.end) + places - 1) / places)};
}

Span padded(const Span& span, int padding, int most) {
    return {std::max(span.begin - padding, 0), std::min(span.end + padding, most)};
}

}  // namespace

MaskedPart masked_part(const Mask& mask, const Crop& within, int padding, double shape) {
    const Box box = white_box(mask);
    Span across = padded(in_pixels(box.across, mask.width, within.width), padding, within.width);
    Span down = padded(in_pixels(box.down, mask.height, within.height), padding, within.height);
    if (double(across.length()) / down.length() > shape)
        widen(down, static_cast<int>(across.length() / shape), within.height);
    else
        widen(across, static_cast<int>(down.length() * shape), within.width);
    widen(across, least_side, within.width);
    widen(down, least_side, within.height);
    MaskedPart part{
        {within.x + across.begin, within.y + down.begin, across.length(), down.length()},
        {across.length(), down.length(), {}}};
    part.mask.values.reserve(std::size_t(across.length()) * down.length());
    const auto place = [](int pixel, int pixels, int places) {
        return static_cast<int>((2 * std::int64_t{pixel} + 1) * places / (2 * pixels));
    };
    for (int y = down.begin; y < down.end; ++y) {
        const std::size_t row = std::size_t(place(y, within.height, mask.height)) * mask.width;
        for (int x = across.begin; x < across.end; ++x)
            part.mask.values.push_back(mask.values[row + place(x, within.width, mask.width)]);
    }
    return part;
}

}  // namespace keepsake::editor
