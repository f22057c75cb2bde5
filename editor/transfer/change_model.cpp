#include "editor/transfer/change_model.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace keepsake::editor {
namespace {

using cv::Mat;
using cv::Vec3f;

Mat softened(const Mat& image, double sigma) {
    Mat soft;
    cv::GaussianBlur(image, soft, {0, 0}, sigma, sigma, cv::BORDER_REFLECT);
    return soft;
}

// What the grid's change comes to at every pixel of `guide`.
Mat changes(const ColourGrid& grid, const Mat& guide) {
    Mat out(guide.size(), CV_32FC3);
    for (int y = 0; y < guide.rows; ++y) {
        const ColourGridRow row(grid, y, guide.size());
        for (int x = 0; x < guide.cols; ++x) {
            const std::array<float, 3> change = row.change(x, guide.at<Vec3f>(y, x).val);
            out.at<Vec3f>(y, x) = Vec3f(change[0], change[1], change[2]);
        }
    }
    return out;
}

// The weight of structure in `edit` that no change of colours makes of `reconstruction`.
Mat novelty(const Mat& reconstruction, const Mat& edit, const ChangeOptions& options) {
    ColourGridOptions wide = options.colours;
    wide.cell = options.novelty_cell;
    const Mat change = edit - reconstruction;
    const Mat left =
        softened(change - changes(fit_colour_grid(reconstruction, change, wide), reconstruction),
                 options.novelty_blur);
    Mat squares(left.size(), CV_32FC1);
    for (int y = 0; y < left.rows; ++y) {
        for (int x = 0; x < left.cols; ++x) {
            const auto& value = left.at<Vec3f>(y, x);
            squares.at<float>(y, x) = value.dot(value) / 3;
        }
    }
    Mat weight = softened(squares, options.novelty_spread);
    for (int y = 0; y < weight.rows; ++y) {
        for (int x = 0; x < weight.cols; ++x) {
            const double rms = std::sqrt(std::max(0.0f, weight.at<float>(y, x)));
            const double t = std::clamp(
                (rms - options.novelty_low) / (options.novelty_high - options.novelty_low), 0.0,
                1.0);
            weight.at<float>(y, x) = static_cast<float>(t * t * (3 - 2 * t));
        }
    }
    return weight;
}

// Finer than the small pictures, so that what is linear between its cells looks smooth.
cv::Size grid_size(cv::Size small) {
    constexpr int enough = 1024;
    int times = 1;
    while (times < 4 && 2 * times * std::max(small.width, small.height) <= enough) times *= 2;
    return small * times;
}

Mat enlarged(const Mat& image, cv::Size size) {
    Mat large;
    cv::resize(image, large, size, 0, 0, cv::INTER_CUBIC);
    return large;
}

}  // namespace

ChangeModel fit_change(const Mat& photo, const Mat& reconstruction, const Mat& edit,
                       const ChangeOptions& options) {
    const Mat change = edit - reconstruction;
    const cv::Size size = grid_size(edit.size());
    ChangeModel model{fit_colour_grid(photo, change, options.colours), size.width, size.height, {}};
    const Mat rest =
        enlarged(softened(change - changes(model.colours, photo), options.rest_blur), size);
    // The edit's own structure on the photo's own tones, so that it fits in with what is around it.
    const Mat tones = softened(photo - reconstruction, options.novelty_spread);
    const Mat picture = enlarged(edit + tones, size);
    const Mat weight = enlarged(novelty(reconstruction, edit, options), size);
    model.cells.resize(std::size_t(size.width) * size.height);
    for (int y = 0; y < size.height; ++y) {
        for (int x = 0; x < size.width; ++x) {
            ChangeCell& cell = model.cells[std::size_t(y) * size.width + x];
            for (int i = 0; i < 3; ++i) cell.rest[i] = rest.at<Vec3f>(y, x)[i];
            for (int i = 0; i < 3; ++i) cell.picture[i] = picture.at<Vec3f>(y, x)[i];
            cell.novelty = std::clamp(weight.at<float>(y, x), 0.0f, 1.0f);
        }
    }
    return model;
}

}  // namespace keepsake::editor
