#include "editor/apply_change.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/imgproc.hpp>

#include "editor/change_model.h"
#include "editor/region_strength.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

using cv::Mat;

constexpr int cell_floats = 7;
static_assert(sizeof(ChangeCell) == cell_floats * sizeof(float), "a cell is read as floats");

// Where a pixel lies between two cells.
struct Between {
    int first = 0;
    float part = 0;  // of the second
};

Between between_cells(int pixel, int pixels, int cells) {
    const double at = (pixel + 0.5) * cells / pixels - 0.5;
    const double inside = std::clamp(at, 0.0, static_cast<double>(cells - 1));
    const int first = std::min(static_cast<int>(inside), std::max(0, cells - 2));
    return {first, static_cast<float>(inside - first)};
}

// c += (d - c) * part for all floats of a cell.
void mix(const float* c, const float* d, float part, float* out) {
    for (int i = 0; i < cell_floats; ++i) out[i] = c[i] + (d[i] - c[i]) * part;
}

const float* floats(const ChangeModel& model, int x, int y) {
    return model.cells[std::size_t(y) * model.size + x].rest;
}

// The cells of one row of pixels.
void mix_row(const ChangeModel& model, const Between& between, std::vector<float>& row) {
    const int next = std::min(between.first + 1, model.size - 1);
    for (int x = 0; x < model.size; ++x) {
        mix(floats(model, x, between.first), floats(model, x, next), between.part,
            &row[std::size_t(x) * cell_floats]);
    }
}

// What the change of one pixel is read from.
struct PixelChange {
    const ColourGridRow& colours;
    const float* cell;  // rest, picture, novelty
    int x = 0;
    float strength = 0;
};

// One pixel, R G B (A).
template <class Sample, int channels>
void change_pixel(const PixelChange& change, Sample* pixel) {
    constexpr float most = std::numeric_limits<Sample>::max();
    if constexpr (channels == 4) {
        if (pixel[3] == 0) return;  // its colour is not seen
    }
    float seen[3];
    for (int i = 0; i < 3; ++i) seen[i] = pixel[i] / most;
    if constexpr (channels == 4) {
        const float alpha = pixel[3] / most;
        for (float& value : seen) value = value * alpha + (1 - alpha);
    }
    const std::array<float, 3> recoloured = change.colours.change(change.x, seen);
    const float* rest = change.cell;
    const float* picture = change.cell + 3;
    const float novelty = change.cell[6];
    for (int i = 0; i < 3; ++i) {
        const float carried = recoloured[i] + rest[i];
        const float drawn = picture[i] - seen[i];
        const float by = change.strength * (carried + (drawn - carried) * novelty);
        const float value = std::clamp(pixel[i] + by * most, 0.0f, most);
        pixel[i] = static_cast<Sample>(value + 0.5f);
    }
}

template <class Sample, int channels>
void change_rows(Mat& square, const ChangeModel& model, const RegionStrength& strength,
                 const cv::Range& rows) {
    std::vector<Between> columns(square.cols);
    for (int x = 0; x < square.cols; ++x) columns[x] = between_cells(x, square.cols, model.size);
    std::vector<float> cells(std::size_t(model.size) * cell_floats), strengths(square.cols);
    for (int y = rows.start; y < rows.end; ++y) {
        const ColourGridRow colours(model.colours, y, square.rows);
        mix_row(model, between_cells(y, square.rows, model.size), cells);
        strength.row(y, strengths);
        auto* pixel = square.ptr<Sample>(y);
        for (int x = 0; x < square.cols; ++x, pixel += channels) {
            if (strengths[x] == 0) continue;
            const float* left = &cells[std::size_t(columns[x].first) * cell_floats];
            float cell[cell_floats];
            mix(left, model.size > 1 ? left + cell_floats : left, columns[x].part, cell);
            change_pixel<Sample, channels>({colours, cell, x, strengths[x]}, pixel);
        }
    }
}

void change_square(Mat& square, const ChangeModel& model, const RegionStrength& strength) {
    cv::parallel_for_(cv::Range(0, square.rows), [&](const cv::Range& rows) {
        const bool clear = square.channels() == 4;
        if (square.depth() == CV_16U) {
            clear ? change_rows<std::uint16_t, 4>(square, model, strength, rows)
                  : change_rows<std::uint16_t, 3>(square, model, strength, rows);
        } else {
            clear ? change_rows<std::uint8_t, 4>(square, model, strength, rows)
                  : change_rows<std::uint8_t, 3>(square, model, strength, rows);
        }
    });
}

// The square as the model saw it: small, on white, in [0, 1].
Mat small_copy(const Mat& square, int size) {
    Mat small, result;
    const bool smaller = size < square.cols;
    cv::resize(square, small, {size, size}, 0, 0, smaller ? cv::INTER_AREA : cv::INTER_LANCZOS4);
    small.convertTo(result, CV_32F, 1.0 / (square.depth() == CV_16U ? 65535 : 255));
    if (result.channels() == 3) return result;
    std::vector<Mat> planes;
    cv::split(result, planes);
    for (int i = 0; i < 3; ++i) planes[i] = planes[i].mul(planes[3]) + (1 - planes[3]);
    planes.pop_back();
    cv::merge(planes, result);
    return result;
}

}  // namespace

void check_place(const Crop& crop, int width, int height) {
    const std::string what = "crop " + std::to_string(crop.x) + "," + std::to_string(crop.y) + "," +
                             std::to_string(crop.width) + "," + std::to_string(crop.height);
    if (crop.width != crop.height || crop.width < 1) throw Error(what, "is not a square");
    if (crop.x < 0 || crop.y < 0 || crop.width > width - crop.x || crop.height > height - crop.y) {
        throw Error(what, "reaches outside the picture, which is " + std::to_string(width) + "x" +
                              std::to_string(height));
    }
}

void apply_edit(Mat& picture, const EditInPlace& edit, const EditRegion& region) {
    check_place(edit.crop, picture.cols, picture.rows);
    const RegionStrength strength(region, edit.crop, picture.cols, picture.rows);
    if (cv::norm(edit.edit, edit.reconstruction, cv::NORM_INF) == 0) return;
    Mat square = picture(cv::Rect(edit.crop.x, edit.crop.y, edit.crop.width, edit.crop.height));
    const ChangeModel model =
        fit_change(small_copy(square, edit.edit.cols), edit.reconstruction, edit.edit);
    change_square(square, model, strength);
}

}  // namespace keepsake::editor
