#include "editor/transfer/region_strength.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

using cv::Mat;

float smooth_step(double t) {
    t = std::clamp(t, 0.0, 1.0);
    return static_cast<float>(t * t * (3 - 2 * t));
}

// Rises from 0 at an end that fades, over `length` pixels.
std::vector<float> fades(int side, double length, bool fades_first, bool fades_last) {
    std::vector<float> strength(side, 1.0f);
    for (int i = 0; i < side; ++i) {
        if (fades_first) strength[i] *= smooth_step(i / length);
        if (fades_last) strength[i] *= smooth_step((side - 1 - i) / length);
    }
    return strength;
}

void check(const EditRegion& region) {
    const auto share = [](double value) { return value >= 0 && value <= 1; };
    if (!share(region.threshold)) throw Error("mask threshold", "is not between 0 and 1");
    if (!share(region.feather)) throw Error("mask feather", "is not between 0 and 1");
    if (!share(region.side_fade)) throw Error("side fade", "is not between 0 and 1");
    if (!region.mask) return;
    const Mask& mask = *region.mask;
    if (mask.width < 1 || mask.height < 1 ||
        mask.values.size() != std::size_t(mask.width) * mask.height) {
        throw Error("mask", "has " + std::to_string(mask.values.size()) + " values, expected " +
                                std::to_string(mask.width) + "x" + std::to_string(mask.height));
    }
}

// 0 at the edge of what is above the threshold, 1 from the feather's length inwards.
Mat feathered(const Mat& values, double threshold, double feather) {
    Mat inside = values > threshold, distance, strength;
    if (cv::countNonZero(inside) == static_cast<int>(inside.total()) || feather == 0) {
        inside.convertTo(strength, CV_32F, 1.0 / 255);
        return strength;
    }
    // What lies beyond the area counts as inside: its own sides have fades.
    cv::distanceTransform(inside, distance, cv::DIST_L2, cv::DIST_MASK_PRECISE);
    strength.create(values.size(), CV_32FC1);
    const double length = std::max(1.0, feather * std::min(values.cols, values.rows));
    for (int y = 0; y < values.rows; ++y) {
        for (int x = 0; x < values.cols; ++x) {
            strength.at<float>(y, x) = smooth_step(distance.at<float>(y, x) / length);
        }
    }
    return strength;
}

// The two samples of a line of `samples` around place i of `places`.
struct Pair {
    int first = 0, second = 0;
    float part = 0;
};

Pair around(int i, int places, int samples) {
    const double at =
        std::clamp((i + 0.5) * samples / places - 0.5, 0.0, static_cast<double>(samples - 1));
    const int first = static_cast<int>(at);
    return {first, std::min(first + 1, samples - 1), static_cast<float>(at - first)};
}

float sample(const Mat& plane, const Pair& x, const Pair& y) {
    const float* top = plane.ptr<float>(y.first);
    const float* bottom = plane.ptr<float>(y.second);
    const float up = top[x.first] + (top[x.second] - top[x.first]) * x.part;
    const float down = bottom[x.first] + (bottom[x.second] - bottom[x.first]) * x.part;
    return up + (down - up) * y.part;
}

}  // namespace

RegionStrength::RegionStrength(const EditRegion& region, const Crop& crop, int width, int height) {
    check(region);
    const double length = std::max(1.0, region.side_fade * std::min(crop.width, crop.height));
    across_ = fades(crop.width, length, crop.x > 0, crop.x + crop.width < width);
    down_ = fades(crop.height, length, crop.y > 0, crop.y + crop.height < height);
    if (!region.mask) return;
    const Mask& mask = *region.mask;
    const Mat bytes(mask.height, mask.width, CV_8UC1,
                    const_cast<std::uint8_t*>(mask.values.data()));
    // A mask of a few cells, as the model gives it, has no edge yet that could be feathered.
    constexpr int fine = 512;
    Mat smooth = bytes;
    if (std::max(mask.width, mask.height) < std::min(fine, std::max(crop.width, crop.height))) {
        const Size size = fitted({crop.width, crop.height}, fine);
        cv::resize(bytes, smooth, {size.width, size.height}, 0, 0, cv::INTER_CUBIC);
    }
    smooth.convertTo(values_, CV_32F, 1.0 / 255);
    threshold_ = static_cast<float>(region.threshold);
    inside_ = feathered(values_, threshold_, region.feather);
}

void RegionStrength::row(int y, int first, std::span<float> out) const {
    const int side = static_cast<int>(across_.size());
    const int width = static_cast<int>(out.size());
    if (values_.empty()) {
        for (int i = 0; i < width; ++i) out[i] = across_[first + i] * down_[y];
        return;
    }
    const Pair vertical = around(y, static_cast<int>(down_.size()), values_.rows);
    for (int i = 0; i < width; ++i) {
        const Pair horizontal = around(first + i, side, values_.cols);
        const bool inside = sample(values_, horizontal, vertical) > threshold_;
        out[i] =
            inside ? sample(inside_, horizontal, vertical) * across_[first + i] * down_[y] : 0.0f;
    }
}

}  // namespace keepsake::editor
