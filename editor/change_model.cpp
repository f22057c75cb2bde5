#include "editor/change_model.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace keepsake::editor {
namespace {

using cv::Mat;

int radius_of(double share, int side) {
    return std::max(1, static_cast<int>(std::lround(share * side)));
}

Mat window_mean(const Mat& plane, int radius) {
    Mat mean;
    const int side = 2 * radius + 1;
    cv::blur(plane, mean, {side, side}, {-1, -1}, cv::BORDER_REFLECT);
    return mean;
}

std::array<Mat, 3> planes_of(const Mat& image) {
    std::array<Mat, 3> planes;
    cv::split(image, planes.data());
    return planes;
}

// The covariance of every window, with the ridge on its diagonal, inverted: xx xy xz yy yz zz.
std::array<Mat, 6> inverse_covariance(const std::array<Mat, 3>& guide,
                                      const std::array<Mat, 3>& mean, int radius, double ridge) {
    std::array<Mat, 6> s;
    for (int i = 0, k = 0; i < 3; ++i) {
        for (int j = i; j < 3; ++j, ++k) {
            s[k] = window_mean(guide[i].mul(guide[j]), radius) - mean[i].mul(mean[j]);
            if (i == j) s[k] += ridge;
        }
    }
    const Mat &xx = s[0], &xy = s[1], &xz = s[2], &yy = s[3], &yz = s[4], &zz = s[5];
    std::array<Mat, 6> c;  // the cofactors
    c[0] = yy.mul(zz) - yz.mul(yz);
    c[1] = xz.mul(yz) - xy.mul(zz);
    c[2] = xy.mul(yz) - xz.mul(yy);
    c[3] = xx.mul(zz) - xz.mul(xz);
    c[4] = xy.mul(xz) - xx.mul(yz);
    c[5] = xx.mul(yy) - xy.mul(xy);
    const Mat determinant = xx.mul(c[0]) + xy.mul(c[1]) + xz.mul(c[2]);
    for (Mat& plane : c) plane = plane / determinant;
    return c;
}

// How much of `edit` is structure that no colour model makes of `reconstruction`, rms in each
// window, as a weight.
Mat novelty(const Mat& reconstruction, const Mat& edit, const ChangeOptions& options) {
    const int radius = radius_of(options.novelty_window, edit.cols);
    const Mat made =
        apply_affine(fit_affine(reconstruction, edit, radius, options.ridge), reconstruction);
    Mat error = edit - made;
    error = error.mul(error);
    const std::array<Mat, 3> planes = planes_of(error);
    const Mat squares = window_mean((planes[0] + planes[1] + planes[2]) / 3, radius);
    Mat weight(squares.size(), CV_32FC1);
    for (int y = 0; y < squares.rows; ++y) {
        for (int x = 0; x < squares.cols; ++x) {
            const float rms = std::sqrt(std::max(0.0f, squares.at<float>(y, x)));
            const double t = std::clamp(
                (rms - options.novelty_low) / (options.novelty_high - options.novelty_low), 0.0,
                1.0);
            weight.at<float>(y, x) = static_cast<float>(t * t * (3 - 2 * t));
        }
    }
    return window_mean(weight, radius);
}

Mat softened(const Mat& image, double share) {
    Mat soft;
    const double sigma = share * image.cols;
    if (sigma < 0.2) return image;
    cv::GaussianBlur(image, soft, {0, 0}, sigma, sigma, cv::BORDER_REFLECT);
    return soft;
}

// The side of the grid: finer than the squares, so that what is linear between its cells is smooth.
int grid_size(int side) {
    constexpr int enough = 1024;
    int size = side;
    while (size < 4 * side && 2 * size <= enough) size *= 2;
    return size;
}

}  // namespace

std::array<Mat, 12> fit_affine(const Mat& guide, const Mat& target, int window_radius,
                               double ridge) {
    // In double: a plain window's covariance is the small difference of large numbers.
    Mat guide64, target64;
    guide.convertTo(guide64, CV_64F);
    target.convertTo(target64, CV_64F);
    const std::array<Mat, 3> g = planes_of(guide64), t = planes_of(target64);
    std::array<Mat, 3> mean;
    for (int i = 0; i < 3; ++i) mean[i] = window_mean(g[i], window_radius);
    const std::array<Mat, 6> inverse = inverse_covariance(g, mean, window_radius, ridge);
    constexpr int place[3][3] = {{0, 1, 2}, {1, 3, 4}, {2, 4, 5}};
    std::array<Mat, 12> affine;
    for (int row = 0; row < 3; ++row) {
        const Mat target_mean = window_mean(t[row], window_radius);
        std::array<Mat, 3> covariance;
        for (int i = 0; i < 3; ++i) {
            covariance[i] = window_mean(g[i].mul(t[row]), window_radius) - mean[i].mul(target_mean);
        }
        Mat offset = target_mean.clone();
        for (int column = 0; column < 3; ++column) {
            Mat a = Mat::zeros(guide.size(), CV_64FC1);
            for (int i = 0; i < 3; ++i) a += inverse[place[column][i]].mul(covariance[i]);
            offset -= a.mul(mean[column]);
            window_mean(a, window_radius).convertTo(affine[3 * row + column], CV_32F);
        }
        window_mean(offset, window_radius).convertTo(affine[9 + row], CV_32F);
    }
    return affine;
}

Mat apply_affine(const std::array<Mat, 12>& affine, const Mat& guide) {
    const std::array<Mat, 3> g = planes_of(guide);
    std::array<Mat, 3> out;
    for (int row = 0; row < 3; ++row) {
        out[row] = affine[9 + row].clone();
        for (int i = 0; i < 3; ++i) out[row] += affine[3 * row + i].mul(g[i]);
    }
    Mat image;
    cv::merge(out.data(), 3, image);
    return image;
}

ChangeModel fit_change(const Mat& photo, const Mat& reconstruction, const Mat& edit,
                       const ChangeOptions& options) {
    const int side = photo.cols;
    const Mat change = edit - reconstruction;
    std::array<Mat, 12> affine =
        fit_affine(photo, change, radius_of(options.window, side), options.ridge);
    const std::array<Mat, 3> rest =
        planes_of(softened(change - apply_affine(affine, photo), options.rest_blur));
    for (int i = 0; i < 3; ++i) affine[9 + i] += rest[i];
    // The edit's own structure on the photo's own tones, so that it fits in with what is around it.
    const std::array<Mat, 3> picture =
        planes_of(edit + softened(photo - reconstruction, 2 * options.novelty_window));

    std::vector<Mat> planes(affine.begin(), affine.end());
    planes.insert(planes.end(), picture.begin(), picture.end());
    planes.push_back(novelty(reconstruction, edit, options));
    ChangeModel model{grid_size(side), {}};
    for (Mat& plane : planes) {
        if (model.size != side) {
            cv::resize(plane, plane, {model.size, model.size}, 0, 0, cv::INTER_CUBIC);
        }
    }
    model.cells.resize(std::size_t(model.size) * model.size);
    for (int y = 0; y < model.size; ++y) {
        for (int x = 0; x < model.size; ++x) {
            ChangeCell& cell = model.cells[std::size_t(y) * model.size + x];
            for (int i = 0; i < 9; ++i) cell.a[i] = planes[i].at<float>(y, x);
            for (int i = 0; i < 3; ++i) cell.b[i] = planes[9 + i].at<float>(y, x);
            for (int i = 0; i < 3; ++i) cell.picture[i] = planes[12 + i].at<float>(y, x);
            cell.novelty = std::clamp(planes[15].at<float>(y, x), 0.0f, 1.0f);
        }
    }
    return model;
}

}  // namespace keepsake::editor
