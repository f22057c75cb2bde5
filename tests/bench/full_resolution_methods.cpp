#include "tests/bench/full_resolution_methods.h"

#include <cmath>
#include <opencv2/imgproc.hpp>
#include <opencv2/photo.hpp>

#include "editor/transfer/apply_change.h"
#include "editor/transfer/change_model.h"

namespace keepsake::bench {
namespace {

using cv::Mat;
using cv::Vec3f;

Mat enlarged(const Mat& image, const Mat& like) {
    Mat large;
    cv::resize(image, large, like.size(), 0, 0, cv::INTER_CUBIC);
    return large;
}

Mat bytes_of(const Mat& image) {
    Mat bytes;
    image.convertTo(bytes, CV_8U, 255);
    return bytes;
}

Mat unit_range(const Mat& bytes) {
    Mat image;
    bytes.convertTo(image, CV_32F, 1.0 / 255);
    return image;
}

Mat difference(const Scene& scene) {
    return scene.photo + enlarged(scene.edit - scene.reconstruction, scene.photo);
}

// Burt & Adelson 1983: the bands that the model has from the edit, the finer ones from the photo.
Mat laplacian(const Scene& scene) {
    return scene.photo + enlarged(scene.edit - scene.small, scene.photo);
}

Mat joint_bilateral(const Scene& scene) {
    constexpr int radius = 2;
    constexpr float space = 1.0f, range = 0.1f;
    const Mat change = scene.edit - scene.reconstruction;
    const float scale = static_cast<float>(change.cols) / static_cast<float>(scene.photo.cols);
    Mat out = scene.photo.clone();
    cv::parallel_for_(cv::Range(0, out.rows), [&](const cv::Range& rows) {
        for (int y = rows.start; y < rows.end; ++y) {
            for (int x = 0; x < out.cols; ++x) {
                const Vec3f here = scene.photo.at<Vec3f>(y, x);
                const float sx = (x + 0.5f) * scale - 0.5f, sy = (y + 0.5f) * scale - 0.5f;
                Vec3f sum(0, 0, 0);
                float weights = 1e-8f;
                for (int j = -radius; j <= radius; ++j) {
                    for (int i = -radius; i <= radius; ++i) {
                        const int qx = std::clamp(int(std::lround(sx)) + i, 0, change.cols - 1);
                        const int qy = std::clamp(int(std::lround(sy)) + j, 0, change.rows - 1);
                        const Vec3f off = scene.small.at<Vec3f>(qy, qx) - here;
                        const float d2 = (qx - sx) * (qx - sx) + (qy - sy) * (qy - sy);
                        const float w = std::exp(-d2 / (2 * space * space) -
                                                 off.dot(off) / (2 * range * range));
                        sum += w * change.at<Vec3f>(qy, qx);
                        weights += w;
                    }
                }
                out.at<Vec3f>(y, x) += sum / weights;
            }
        }
    });
    return out;
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

// The plain fast guided filter: its coefficients enlarged, nothing added.
Mat guided(const Scene& scene, double window) {
    constexpr double ridge = 2e-3;
    const int radius = std::max(1, static_cast<int>(std::lround(window * scene.small.cols)));
    auto affine = fit_affine(scene.small, scene.edit - scene.reconstruction, radius, ridge);
    for (Mat& plane : affine) plane = enlarged(plane, scene.photo);
    return scene.photo + apply_affine(affine, scene.photo);
}

// Keepsake's colour grid alone.
Mat bilateral_grid(const Scene& scene) {
    const editor::ColourGrid grid =
        editor::fit_colour_grid(scene.small, scene.edit - scene.reconstruction);
    Mat out = scene.photo.clone();
    for (int y = 0; y < out.rows; ++y) {
        const editor::ColourGridRow row(grid, y, out.size());
        for (int x = 0; x < out.cols; ++x) {
            const auto change = row.change(x, out.at<Vec3f>(y, x).val);
            out.at<Vec3f>(y, x) += Vec3f(change[0], change[1], change[2]);
        }
    }
    return out;
}

// Perez, Gangnet & Blake 2003, as OpenCV has it.
Mat poisson(const Scene& scene, int flags) {
    const Mat large = bytes_of(enlarged(scene.edit, scene.photo));
    const Mat photo = bytes_of(scene.photo);
    Mat mask(photo.size(), CV_8UC1, cv::Scalar(255)), out;
    cv::rectangle(mask, {0, 0}, {mask.cols - 1, mask.rows - 1}, cv::Scalar(0), 3);
    cv::seamlessClone(large, photo, mask, {photo.cols / 2, photo.rows / 2}, out, flags);
    return unit_range(out);
}

Mat keepsakes(const Scene& scene) {
    Mat picture = bytes_of(scene.photo);
    editor::apply_edit(picture,
                       {{0, 0, picture.cols, picture.rows}, scene.reconstruction, scene.edit}, {});
    return unit_range(picture);
}

}  // namespace

std::vector<Method> methods() {
    return {
        {"upscaled", "the model's picture, bicubic",
         [](const Scene& s) { return enlarged(s.edit, s.photo); }},
        {"difference", "upscaled difference of edit and reconstruction", difference},
        {"laplacian", "Burt & Adelson 1983", laplacian},
        {"joint bilateral", "Kopf et al. 2007", joint_bilateral},
        {"poisson", "Perez et al. 2003, OpenCV NORMAL_CLONE",
         [](const Scene& s) { return poisson(s, cv::NORMAL_CLONE); }},
        {"poisson mixed", "the same, MIXED_CLONE",
         [](const Scene& s) { return poisson(s, cv::MIXED_CLONE); }},
        {"bilateral grid", "Chen et al. 2016", bilateral_grid},
        {"guided 0.02", "He & Sun 2015, windows of 0.02",
         [](const Scene& s) { return guided(s, 0.02); }},
        {"guided 0.05", "the same, windows of 0.05",
         [](const Scene& s) { return guided(s, 0.05); }},
        {"guided 0.1", "the same, windows of 0.1", [](const Scene& s) { return guided(s, 0.1); }},
        {"Keepsake", "the grid, the rest softened, new structure drawn", keepsakes},
    };
}

}  // namespace keepsake::bench
