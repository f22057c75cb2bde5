#include "editor/transfer/colour_grid.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace keepsake::editor {
namespace {

using cv::Vec3f;

// The sums of a least squares fit: of v vT and v tT for v = (colour, 1) and the change t.
struct Sums {
    cv::Matx44d gram = cv::Matx44d::zeros();
    cv::Matx43d moments = cv::Matx43d::zeros();

    void add(const Sums& other, double weight) {
        gram += other.gram * weight;
        moments += other.moments * weight;
    }
};

void add_sample(Sums& sums, const Vec3f& colour, const Vec3f& change) {
    const cv::Vec4d v(colour[0], colour[1], colour[2], 1);
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) sums.gram(i, j) += v[i] * v[j];
        for (int j = 0; j < 3; ++j) sums.moments(i, j) += v[i] * change[j];
    }
}

AffineColour solved(const Sums& sums, double ridge) {
    cv::Matx44d gram = sums.gram;
    const double weight = gram(3, 3);
    AffineColour affine{};
    if (weight <= 0) return affine;
    for (int i = 0; i < 3; ++i) gram(i, i) += ridge * weight;
    const cv::Matx43d solution = gram.solve(sums.moments, cv::DECOMP_CHOLESKY);
    for (int row = 0; row < 3; ++row) {
        for (int i = 0; i < 3; ++i) affine[3 * row + i] = static_cast<float>(solution(i, row));
        affine[9 + row] = static_cast<float>(solution(3, row));
    }
    return affine;
}

// (1 2 1) / 4 along one axis, whose neighbours lie `stride` apart and which is `length` long.
void smooth(std::vector<Sums>& sums, std::size_t stride, std::size_t length) {
    const std::vector<Sums> before = sums;
    for (std::size_t i = 0; i < sums.size(); ++i) {
        const std::size_t at = i / stride % length;
        sums[i].gram *= 0.5;
        sums[i].moments *= 0.5;
        sums[i].add(before[at > 0 ? i - stride : i], 0.25);
        sums[i].add(before[at + 1 < length ? i + stride : i], 0.25);
    }
}

void fill(std::vector<Sums>& sums, std::size_t depth, double share) {
    for (std::size_t first = 0; first < sums.size(); first += depth) {
        Sums column;
        for (std::size_t z = 0; z < depth; ++z) column.add(sums[first + z], share);
        for (std::size_t z = 0; z < depth; ++z) sums[first + z].add(column, 1);
    }
}

// A place between two of `count` samples.
struct Between {
    int first = 0, second = 0;
    float part = 0;  // of the second
};

Between between(float at, int count) {
    const float inside = std::clamp(at, 0.0f, static_cast<float>(count - 1));
    const int first = static_cast<int>(inside);
    return {first, std::min(first + 1, count - 1), inside - static_cast<float>(first)};
}

}  // namespace

float ColourGrid::level(const float* colour, int depth) {
    // BT.601's weights, as the lightness of gamma-coded colours is usually taken.
    const float lightness = 0.299f * colour[0] + 0.587f * colour[1] + 0.114f * colour[2];
    return std::clamp(lightness, 0.0f, 1.0f) * static_cast<float>(depth - 1);
}

ColourGrid fit_colour_grid(const cv::Mat& guide, const cv::Mat& change,
                           const ColourGridOptions& options) {
    ColourGrid grid{std::max(1, guide.cols / options.cell),
                    std::max(1, guide.rows / options.cell),
                    options.depth,
                    {}};
    const auto width = static_cast<std::size_t>(grid.width);
    const auto height = static_cast<std::size_t>(grid.height);
    const auto depth = static_cast<std::size_t>(grid.depth);
    std::vector<Sums> sums(width * height * depth);
    for (int y = 0; y < guide.rows; ++y) {
        for (int x = 0; x < guide.cols; ++x) {
            const auto& colour = guide.at<Vec3f>(y, x);
            const std::size_t i = std::size_t(x) * width / guide.cols;
            const std::size_t j = std::size_t(y) * height / guide.rows;
            const std::size_t k = std::lround(ColourGrid::level(colour.val, grid.depth));
            add_sample(sums[(j * width + i) * depth + k], colour, change.at<Vec3f>(y, x));
        }
    }
    for (int pass = 0; pass < options.smoothings; ++pass) {
        smooth(sums, 1, depth);
        smooth(sums, depth, width);
        smooth(sums, depth * width, height);
    }
    fill(sums, depth, options.filling);
    for (const Sums& of_cell : sums) grid.cells.push_back(solved(of_cell, options.ridge));
    return grid;
}

ColourGridRow::ColourGridRow(const ColourGrid& grid, int y, cv::Size pixels)
    : width_(grid.width),
      depth_(grid.depth),
      scale_(static_cast<float>(grid.width) / static_cast<float>(pixels.width)),
      cells_(std::size_t(grid.width) * grid.depth) {
    const float down = static_cast<float>(grid.height) / static_cast<float>(pixels.height);
    const Between vertical = between((static_cast<float>(y) + 0.5f) * down - 0.5f, grid.height);
    const AffineColour* top = &grid.cells[vertical.first * cells_.size()];
    const AffineColour* bottom = &grid.cells[vertical.second * cells_.size()];
    for (std::size_t i = 0; i < cells_.size(); ++i) {
        for (int k = 0; k < 12; ++k) {
            cells_[i][k] = top[i][k] + (bottom[i][k] - top[i][k]) * vertical.part;
        }
    }
}

std::array<float, 3> ColourGridRow::change(int x, const float* colour) const {
    const Between across = between((static_cast<float>(x) + 0.5f) * scale_ - 0.5f, width_);
    const Between up = between(ColourGrid::level(colour, depth_), depth_);
    const float* corners[4] = {
        cells_[across.first * depth_ + up.first].data(),
        cells_[across.first * depth_ + up.second].data(),
        cells_[across.second * depth_ + up.first].data(),
        cells_[across.second * depth_ + up.second].data(),
    };
    const float weights[4] = {(1 - across.part) * (1 - up.part), (1 - across.part) * up.part,
                              across.part * (1 - up.part), across.part * up.part};
    float f[12];
    for (int k = 0; k < 12; ++k) {
        f[k] = weights[0] * corners[0][k] + weights[1] * corners[1][k] +
               weights[2] * corners[2][k] + weights[3] * corners[3][k];
    }
    std::array<float, 3> change;
    for (int i = 0; i < 3; ++i) {
        change[i] =
            f[3 * i] * colour[0] + f[3 * i + 1] * colour[1] + f[3 * i + 2] * colour[2] + f[9 + i];
    }
    return change;
}

}  // namespace keepsake::editor
