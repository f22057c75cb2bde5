#include "editor/transfer/colour_odds.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <opencv2/imgproc.hpp>

#include "editor/photo/pixel_mats.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

constexpr double widest = 130;  // of a* and b*, from 0

std::size_t step_of(double value, double low, double high, int cells) {
    const double at = std::floor((value - low) / (high - low) * cells);
    return static_cast<std::size_t>(std::clamp(at, 0.0, cells - 1.0));
}

// Of a normal distribution, in cells, to four standard deviations; it adds up to 1.
std::vector<double> kernel_of(double deviation) {
    const int reach = std::max(1, static_cast<int>(std::lround(4 * deviation)));
    std::vector<double> kernel;
    for (int i = -reach; i <= reach; ++i) {
        kernel.push_back(std::exp(-0.5 * i * i / (deviation * deviation)));
    }
    const double sum = std::accumulate(kernel.begin(), kernel.end(), 0.0);
    for (double& value : kernel) value /= sum;
    return kernel;
}

// Along one axis of `size` cells that are `stride` apart; what would leave is mirrored.
void soften(std::vector<double>& cells, int size, std::size_t stride, double deviation) {
    const std::vector<double> kernel = kernel_of(deviation);
    const int reach = static_cast<int>(kernel.size() / 2);
    std::vector<double> line(size);
    for (std::size_t first = 0; first < cells.size(); ++first) {
        if (first / stride % size != 0) continue;
        for (int i = 0; i < size; ++i) line[i] = cells[first + i * stride];
        for (int i = 0; i < size; ++i) {
            double sum = 0;
            for (int j = -reach; j <= reach; ++j) {
                const int at = ((i + j) % (2 * size) + 2 * size) % (2 * size);
                sum += kernel[j + reach] * line[at < size ? at : 2 * size - 1 - at];
            }
            cells[first + i * stride] = sum;
        }
    }
}

bool counts(const cv::Mat& within, int y, int x) {
    return within.empty() || within.at<std::uint8_t>(y, x) != 0;
}

}  // namespace

std::size_t ColourDensity::cell(const cv::Vec3f& lab) const {
    const int colours = options.colour_cells;
    const std::size_t l = step_of(lab[0], 0, 100, options.lightness_cells);
    const std::size_t a = step_of(lab[1], -widest, widest, colours);
    return (l * colours + a) * colours + step_of(lab[2], -widest, widest, colours);
}

cv::Mat lab_mat(const Pixels& pixels) {
    cv::Mat lab;
    cv::cvtColor(unit_mat(pixels), lab, cv::COLOR_RGB2Lab);
    return lab;
}

ColourDensity colour_density(const std::vector<cv::Mat>& pictures, const cv::Mat& within,
                             const ColourDensityOptions& options) {
    const auto lightness = static_cast<std::size_t>(options.lightness_cells);
    const auto colours = static_cast<std::size_t>(options.colour_cells);
    ColourDensity density{options, std::vector<double>(lightness * colours * colours)};
    double pixels = 0;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
        const cv::Mat& picture = pictures[i];
        for (int y = 0; y < picture.rows; ++y) {
            for (int x = 0; x < picture.cols; ++x) {
                if (i == 0 && !counts(within, y, x)) continue;
                ++density.cells[density.cell(picture.at<cv::Vec3f>(y, x))];
                ++pixels;
            }
        }
    }
    if (pixels == 0) throw Error("colours", "of no pixel");
    for (double& cell : density.cells) cell /= pixels;
    const double colour_deviation = options.colour_blur * options.colour_cells / (2 * widest);
    soften(density.cells, options.lightness_cells, colours * colours,
           options.lightness_blur * options.lightness_cells / 100);
    soften(density.cells, options.colour_cells, colours, colour_deviation);
    soften(density.cells, options.colour_cells, 1, colour_deviation);
    return density;
}

double colour_odds(const cv::Mat& picture, const cv::Mat& within, const ColourDensity& of,
                   const ColourDensity& against, double least) {
    double sum = 0, pixels = 0;
    for (int y = 0; y < picture.rows; ++y) {
        for (int x = 0; x < picture.cols; ++x) {
            if (!counts(within, y, x)) continue;
            const auto& lab = picture.at<cv::Vec3f>(y, x);
            sum += std::log((of(lab) + least) / (against(lab) + least));
            ++pixels;
        }
    }
    return pixels > 0 ? sum / pixels : 0;
}

ColourDensity mixed(const ColourDensity& a, const ColourDensity& b, double share) {
    ColourDensity result = a;
    for (std::size_t i = 0; i < result.cells.size(); ++i) {
        result.cells[i] = share * a.cells[i] + (1 - share) * b.cells[i];
    }
    return result;
}

}  // namespace keepsake::editor
