#include "editor/photo/contact_sheet.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "editor/photo/vips_image.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

// Pixels. Renders of the bundled model are small and shown larger; large ones smaller.
constexpr int smallest_cell = 256, largest_cell = 384;
constexpr int margin = 36, gap = 20, label_gap = 10, row_gap = 26, title_gap = 8, header_gap = 26;
constexpr int widest_row = 6;
constexpr int row_label_width = 220;

const cv::Scalar paper(250, 250, 249);
const cv::Scalar ink(34, 32, 31);
const cv::Scalar faint(122, 118, 115);
const cv::Scalar frame(214, 211, 208);

struct TextStyle {
    const char* font;
    cv::Scalar colour;
    int width = 0;  // lines are broken to this many pixels
    VipsAlign align = VIPS_ALIGN_LOW;
};

// A mask (0 to 255) of the text, drawn by Pango so that every script that a font has is legible
// (cv::putText knows ASCII only).
cv::Mat text_mask(const std::string& text, const TextStyle& style) {
    start_vips();
    const std::unique_ptr<gchar, void (*)(gpointer)> valid(
        g_utf8_make_valid(text.data(), static_cast<gssize>(text.size())), g_free);
    const std::unique_ptr<gchar, void (*)(gpointer)> escaped(g_markup_escape_text(valid.get(), -1),
                                                             g_free);
    VipsImage* made = nullptr;
    if (vips_text(&made, escaped.get(), "font", style.font, "width", style.width, "align",
                  style.align, "dpi", 96, nullptr) != 0) {
        // Nothing to see in it, or no font: its place stays empty. The pictures matter more.
        vips_error_clear();
        return {};
    }
    const VipsHandle image(made);
    std::size_t size = 0;
    const std::unique_ptr<void, void (*)(gpointer)> data(
        vips_image_write_to_memory(image.get(), &size), g_free);
    if (!data) throw Error("contact sheet", "the text cannot be drawn: " + vips_failure());
    return cv::Mat(image->Ysize, image->Xsize, CV_8UC1, data.get()).clone();
}

// Blends `colour` into `canvas` where the mask says, its top left corner at (x, y).
void draw_mask(cv::Mat& canvas, const cv::Mat& mask, cv::Point at, const cv::Scalar& colour) {
    const cv::Rect area = cv::Rect(at, mask.size()) & cv::Rect({}, canvas.size());
    for (int y = area.y; y < area.y + area.height; ++y) {
        for (int x = area.x; x < area.x + area.width; ++x) {
            const double cover = mask.at<std::uint8_t>(y - at.y, x - at.x) / 255.0;
            auto& pixel = canvas.at<cv::Vec3b>(y, x);
            for (int c = 0; c < 3; ++c) {
                pixel[c] =
                    cv::saturate_cast<std::uint8_t>(pixel[c] + cover * (colour[c] - pixel[c]));
            }
        }
    }
}

// Rows of at most widest_row pictures; what does not fit is spread evenly over further rows.
std::vector<std::vector<const LabelledPixels*>> fold(const ContactSheet& sheet) {
    std::vector<std::vector<const LabelledPixels*>> rows;
    for (const auto& row : sheet.rows) {
        const std::size_t lines = (row.size() + widest_row - 1) / widest_row;
        const std::size_t length = lines ? (row.size() + lines - 1) / lines : 0;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (i % length == 0) rows.emplace_back();
            rows.back().push_back(&row[i]);
        }
    }
    return rows;
}

// As large as it fits into the cell, in its middle.
void draw_picture(cv::Mat& canvas, const Pixels& pixels, const cv::Rect& cell) {
    const double scale = std::min(static_cast<double>(cell.width) / pixels.width,
                                  static_cast<double>(cell.height) / pixels.height);
    const auto side = [&](int length) { return std::max(cvRound(length * scale), 1); };
    const Pixels picture = resize(pixels, side(pixels.width), side(pixels.height));
    const cv::Mat from(picture.height, picture.width, CV_8UC3,
                       const_cast<std::uint8_t*>(picture.rgb.data()));
    const cv::Rect place(cell.x + (cell.width - from.cols) / 2,
                         cell.y + (cell.height - from.rows) / 2, from.cols, from.rows);
    from.copyTo(canvas(place));
    cv::rectangle(canvas, {place.x - 1, place.y - 1, place.width + 2, place.height + 2}, frame);
}

int cell_of(const Pixels& first) {
    return std::clamp(std::max(first.width, first.height), smallest_cell, largest_cell);
}

// Title and subtitle, whose height decides where the pictures lie.
struct Header {
    cv::Mat title, subtitle;
    int height() const {
        return title.rows + (subtitle.empty() ? 0 : title_gap + subtitle.rows) + header_gap;
    }
    void draw(cv::Mat& canvas) const {
        draw_mask(canvas, title, {margin, margin}, ink);
        if (!subtitle.empty())
            draw_mask(canvas, subtitle, {margin, margin + title.rows + title_gap}, faint);
    }
};

Header header_of(const std::string& title, const std::string& subtitle, int width) {
    Header header{text_mask(title, {"DejaVu Sans, sans bold 17", ink, width}), {}};
    if (!subtitle.empty())
        header.subtitle = text_mask(subtitle, {"DejaVu Sans, sans 10.5", faint, width});
    return header;
}

constexpr const char* label_font = "DejaVu Sans, sans 12";

Pixels blank(int width, int height, cv::Mat& canvas) {
    Pixels result{width, height, std::vector<std::uint8_t>(std::size_t(width) * height * 3)};
    canvas = cv::Mat(height, width, CV_8UC3, result.rgb.data());
    canvas.setTo(paper);
    return result;
}

// Pictures of one shape have cells of it.
cv::Size grid_cell(const Grid& grid) {
    const Pixels& first = grid.rows[0].pixels[0];
    const bool alike = std::ranges::all_of(grid.rows, [&](const Grid::Row& row) {
        return std::ranges::all_of(row.pixels, [&](const Pixels& pixels) {
            return pixels.width == first.width && pixels.height == first.height;
        });
    });
    const int side = cell_of(first);
    if (!alike) return {side, side};
    const double scale = double(side) / std::max(first.width, first.height);
    return {std::max(cvRound(first.width * scale), 1), std::max(cvRound(first.height * scale), 1)};
}

void check_grid(const Grid& grid) {
    if (grid.columns.empty() || grid.rows.empty())
        throw Error("grid", "there is no picture to show");
    for (const Grid::Row& row : grid.rows) {
        if (row.pixels.size() != grid.columns.size())
            throw Error("grid", "the row '" + row.label + "' has " +
                                    std::to_string(row.pixels.size()) + " pictures for " +
                                    std::to_string(grid.columns.size()) + " columns");
    }
}

}  // namespace

Pixels draw_grid(const Grid& grid) {
    check_grid(grid);
    const cv::Size cell = grid_cell(grid);
    const auto columns = static_cast<int>(grid.columns.size());
    const auto rows = static_cast<int>(grid.rows.size());
    std::vector<cv::Mat> above, beside;
    int above_height = 0, beside_width = 0;
    for (const std::string& label : grid.columns) {
        above.push_back(text_mask(label, {label_font, ink, cell.width, VIPS_ALIGN_CENTRE}));
        above_height = std::max(above_height, above.back().rows);
    }
    for (const Grid::Row& row : grid.rows) {
        beside.push_back(row.label.empty()
                             ? cv::Mat()
                             : text_mask(row.label, {label_font, ink, row_label_width}));
        beside_width = std::max(beside_width, beside.back().cols);
    }
    const int left = margin + (beside_width > 0 ? beside_width + gap : 0);
    const int inner = columns * (cell.width + gap) - gap;
    const Header header = header_of(grid.title, grid.subtitle, left - margin + inner);
    const int top = margin + header.height() + above_height + label_gap;
    cv::Mat canvas;
    Pixels result =
        blank(left + inner + margin, top + rows * (cell.height + gap) - gap + margin, canvas);
    header.draw(canvas);
    for (int c = 0; c < columns; ++c) {
        const cv::Mat& label = above[static_cast<std::size_t>(c)];
        draw_mask(canvas, label,
                  {left + c * (cell.width + gap) + (cell.width - label.cols) / 2,
                   top - label_gap - label.rows},
                  ink);
    }
    for (int r = 0; r < rows; ++r) {
        const int y = top + r * (cell.height + gap);
        const cv::Mat& label = beside[static_cast<std::size_t>(r)];
        if (!label.empty())
            draw_mask(canvas, label, {margin, y + (cell.height - label.rows) / 2}, ink);
        for (int c = 0; c < columns; ++c)
            draw_picture(canvas,
                         grid.rows[static_cast<std::size_t>(r)].pixels[static_cast<std::size_t>(c)],
                         cv::Rect({left + c * (cell.width + gap), y}, cell));
    }
    return result;
}

Pixels draw_contact_sheet(const ContactSheet& sheet) {
    const auto rows = fold(sheet);
    if (rows.empty()) throw Error("contact sheet", "there is no picture to show");
    std::size_t columns = 0;
    for (const auto& row : rows) columns = std::max(columns, row.size());
    const Pixels& first = rows[0][0]->pixels;
    const int cell = cell_of(first);
    const int inner = static_cast<int>(columns) * (cell + gap) - gap;

    // Text first: how high it is decides where everything else lies.
    const TextStyle label_style{label_font, ink, cell, VIPS_ALIGN_CENTRE};
    const Header above = header_of(sheet.title, sheet.subtitle, inner);
    // Every label sits on the same line whatever its letters: the highest one decides.
    int label_height = 0;
    std::vector<std::vector<cv::Mat>> labels;
    for (const auto& row : rows) {
        labels.emplace_back();
        for (const LabelledPixels* picture : row) {
            labels.back().push_back(text_mask(picture->label, label_style));
            label_height = std::max(label_height, labels.back().back().rows);
        }
    }

    const int header = above.height();
    const int step = cell + label_gap + label_height + row_gap;
    const int height = 2 * margin + header + static_cast<int>(rows.size()) * step - row_gap;
    cv::Mat canvas;
    Pixels result = blank(inner + 2 * margin, height, canvas);
    above.draw(canvas);
    for (std::size_t r = 0; r < rows.size(); ++r) {
        for (std::size_t c = 0; c < rows[r].size(); ++c) {
            const cv::Point corner(margin + static_cast<int>(c) * (cell + gap),
                                   margin + header + static_cast<int>(r) * step);
            draw_picture(canvas, rows[r][c]->pixels, cv::Rect(corner, cv::Size(cell, cell)));
            const cv::Mat& label = labels[r][c];
            draw_mask(canvas, label,
                      {corner.x + (cell - label.cols) / 2, corner.y + cell + label_gap}, ink);
        }
    }
    return result;
}

}  // namespace keepsake::editor
