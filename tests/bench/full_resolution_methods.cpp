#include "tests/bench/full_resolution_methods.h"

#include <cmath>
#include <opencv2/imgproc.hpp>
#include <opencv2/photo.hpp>

#include "editor/apply_change.h"
#include "editor/change_model.h"

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

// The plain fast guided filter: its coefficients enlarged, nothing added.
Mat guided(const Scene& scene, double window) {
    const int radius = std::max(1, static_cast<int>(std::lround(window * scene.small.cols)));
    auto affine = editor::fit_affine(scene.small, scene.edit - scene.reconstruction, radius,
                                     editor::ChangeOptions{}.ridge);
    for (Mat& plane : affine) plane = enlarged(plane, scene.photo);
    return scene.photo + editor::apply_affine(affine, scene.photo);
}

// Chen et al. 2016: one affine function of colour for each cell of a grid over place and lightness.
class BilateralGrid {
  public:
    BilateralGrid(const Mat& guide, const Mat& target) : scale_(float(side) / guide.cols) {
        for (int y = 0; y < guide.rows; ++y) {
            for (int x = 0; x < guide.cols; ++x)
                splat(x, y, guide.at<Vec3f>(y, x), target.at<Vec3f>(y, x));
        }
        for (int pass = 0; pass < 2; ++pass) {
            blur(1, side);
            blur(side, side);
            blur(side * side, depth);
        }
        for (Cell& cell : cells_) cell.solve();
    }

    // At (x, y) in pixels of the fitted guide.
    Vec3f operator()(float x, float y, const Vec3f& colour) const {
        const float at[3] = {(x + 0.5f) * scale_ - 0.5f, (y + 0.5f) * scale_ - 0.5f,
                             lightness(colour) * (depth - 1)};
        int low[3];
        float part[3];
        for (int i = 0; i < 3; ++i) {
            const int most = (i < 2 ? side : depth) - 1;
            const float inside = std::clamp(at[i], 0.0f, float(most));
            low[i] = std::min(int(inside), most - 1);
            part[i] = inside - low[i];
        }
        Vec3f sum(0, 0, 0);
        for (int corner = 0; corner < 8; ++corner) {
            float weight = 1;
            int place = 0;
            const int strides[3] = {1, side, side * side};
            for (int i = 0; i < 3; ++i) {
                const int high = corner >> i & 1;
                weight *= high ? part[i] : 1 - part[i];
                place += (low[i] + high) * strides[i];
            }
            sum += weight * cells_[place].apply(colour);
        }
        return sum;
    }

  private:
    static constexpr int side = 16, depth = 8;
    struct Cell {
        cv::Matx44d gram = cv::Matx44d::zeros();
        cv::Matx43d moments = cv::Matx43d::zeros();
        cv::Matx43f affine = cv::Matx43f::zeros();
        void solve() {
            cv::Matx44d regular = gram;
            const double weight = gram(3, 3) + 1e-6;
            for (int i = 0; i < 3; ++i) regular(i, i) += 2e-3 * weight;
            regular(3, 3) += 1e-9;
            affine = regular.solve(moments, cv::DECOMP_CHOLESKY);
        }
        Vec3f apply(const Vec3f& c) const {
            Vec3f out;
            for (int i = 0; i < 3; ++i) {
                out[i] =
                    affine(0, i) * c[0] + affine(1, i) * c[1] + affine(2, i) * c[2] + affine(3, i);
            }
            return out;
        }
    };
    static float lightness(const Vec3f& c) {
        return std::clamp(0.299f * c[0] + 0.587f * c[1] + 0.114f * c[2], 0.0f, 1.0f);
    }
    void splat(int x, int y, const Vec3f& c, const Vec3f& t) {
        const int i = std::clamp(int(x * scale_), 0, side - 1);
        const int j = std::clamp(int(y * scale_), 0, side - 1);
        const int k = std::clamp(int(std::lround(lightness(c) * (depth - 1))), 0, depth - 1);
        Cell& cell = cells_[(std::size_t(k) * side + j) * side + i];
        const cv::Vec4d v(c[0], c[1], c[2], 1);
        for (int a = 0; a < 4; ++a) {
            for (int b = 0; b < 4; ++b) cell.gram(a, b) += v[a] * v[b];
            for (int b = 0; b < 3; ++b) cell.moments(a, b) += v[a] * t[b];
        }
    }
    void blur(int stride, int length) {
        const std::vector<Cell> before = cells_;
        for (std::size_t n = 0; n < cells_.size(); ++n) {
            const int at = int(n / stride) % length;
            cells_[n].gram *= 2.0;
            cells_[n].moments *= 2.0;
            for (const int step : {-1, 1}) {
                if (at + step < 0 || at + step >= length) continue;
                const Cell& other = before[n + std::ptrdiff_t(step) * stride];
                cells_[n].gram += other.gram;
                cells_[n].moments += other.moments;
            }
        }
    }
    float scale_;
    std::vector<Cell> cells_ = std::vector<Cell>(std::size_t(side) * side * depth);
};

Mat bilateral_grid(const Scene& scene) {
    const BilateralGrid grid(scene.small, scene.edit - scene.reconstruction);
    const float scale = float(scene.small.cols) / float(scene.photo.cols);
    Mat out = scene.photo.clone();
    cv::parallel_for_(cv::Range(0, out.rows), [&](const cv::Range& rows) {
        for (int y = rows.start; y < rows.end; ++y) {
            for (int x = 0; x < out.cols; ++x) {
                out.at<Vec3f>(y, x) += grid((x + 0.5f) * scale - 0.5f, (y + 0.5f) * scale - 0.5f,
                                            scene.photo.at<Vec3f>(y, x));
            }
        }
    });
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
        {"Keepsake", "guided, with the rest and new structure", keepsakes},
    };
}

}  // namespace keepsake::bench
