#include "editor/transfer/apply_change.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/imgproc.hpp>

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
    return model.cells[std::size_t(y) * model.width + x].rest;
}

// The cells of one row of pixels.
void mix_row(const ChangeModel& model, const Between& between, std::vector<float>& row) {
    const int next = std::min(between.first + 1, model.height - 1);
    for (int x = 0; x < model.width; ++x) {
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

// What of an area is in hand: `pixels`, the first of which is at `at` of the area.
struct AreaPart {
    Mat& pixels;
    cv::Point at;
    cv::Size area;
};

template <class Sample, int channels>
void change_rows(const AreaPart& part, const ChangeModel& model, const RegionStrength& strength,
                 const cv::Range& rows) {
    const int width = part.pixels.cols;
    std::vector<Between> columns(width);
    for (int x = 0; x < width; ++x) {
        columns[x] = between_cells(part.at.x + x, part.area.width, model.width);
    }
    std::vector<float> cells(std::size_t(model.width) * cell_floats), strengths(width);
    for (int y = rows.start; y < rows.end; ++y) {
        const int row = part.at.y + y;
        const ColourGridRow colours(model.colours, row, part.area);
        mix_row(model, between_cells(row, part.area.height, model.height), cells);
        strength.row(row, part.at.x, strengths);
        auto* pixel = part.pixels.ptr<Sample>(y);
        for (int x = 0; x < width; ++x, pixel += channels) {
            if (strengths[x] == 0) continue;
            const float* left = &cells[std::size_t(columns[x].first) * cell_floats];
            float cell[cell_floats];
            mix(left, model.width > 1 ? left + cell_floats : left, columns[x].part, cell);
            change_pixel<Sample, channels>({colours, cell, part.at.x + x, strengths[x]}, pixel);
        }
    }
}

void change_part(const AreaPart& part, const ChangeModel& model, const RegionStrength& strength) {
    cv::parallel_for_(cv::Range(0, part.pixels.rows), [&](const cv::Range& rows) {
        const bool clear = part.pixels.channels() == 4;
        if (part.pixels.depth() == CV_16U) {
            clear ? change_rows<std::uint16_t, 4>(part, model, strength, rows)
                  : change_rows<std::uint16_t, 3>(part, model, strength, rows);
        } else {
            clear ? change_rows<std::uint8_t, 4>(part, model, strength, rows)
                  : change_rows<std::uint8_t, 3>(part, model, strength, rows);
        }
    });
}

// The area as the model saw it: small, on white, in [0, 1].
Mat small_copy(const Mat& area, cv::Size size) {
    Mat small, result;
    const bool smaller = size.width < area.cols;
    cv::resize(area, small, size, 0, 0, smaller ? cv::INTER_AREA : cv::INTER_LANCZOS4);
    small.convertTo(result, CV_32F, 1.0 / (area.depth() == CV_16U ? 65535 : 255));
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
    if (crop.width < 1 || crop.height < 1) throw Error(what, "holds no pixel");
    if (crop.x < 0 || crop.y < 0 || crop.width > width - crop.x || crop.height > height - crop.y) {
        throw Error(what, "reaches outside the picture, which is " + std::to_string(width) + "x" +
                              std::to_string(height));
    }
}

FittedEdit fit_edit(const Mat& picture, const EditInPlace& edit) {
    check_place(edit.crop, picture.cols, picture.rows);
    if (cv::norm(edit.edit, edit.reconstruction, cv::NORM_INF) == 0) return {edit.crop, {}};
    const Mat area = picture(cv::Rect(edit.crop.x, edit.crop.y, edit.crop.width, edit.crop.height));
    return {edit.crop,
            fit_change(small_copy(area, edit.edit.size()), edit.reconstruction, edit.edit)};
}

void apply_fitted(Mat& part, cv::Point at, const FittedEdit& edit, const RegionStrength& strength) {
    if (edit.change.width == 0) return;
    const cv::Rect area(edit.crop.x, edit.crop.y, edit.crop.width, edit.crop.height);
    const cv::Rect common = area & cv::Rect(at.x, at.y, part.cols, part.rows);
    if (common.empty()) return;
    Mat inside = part(common - at);
    change_part({inside, common.tl() - area.tl(), area.size()}, edit.change, strength);
}

void apply_edit(Mat& picture, const EditInPlace& edit, const EditRegion& region) {
    check_place(edit.crop, picture.cols, picture.rows);
    const RegionStrength strength(region, edit.crop, picture.cols, picture.rows);
    apply_fitted(picture, {0, 0}, fit_edit(picture, edit), strength);
}

}  // namespace keepsake::editor
