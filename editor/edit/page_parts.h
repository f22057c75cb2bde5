// Parts of a page that carries everything in itself: pictures as data, charts as SVG. What comes
// out is HTML that is XML, too: every element is closed.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

namespace keepsake::editor {

// RFC 4648.
std::string base64(std::string_view bytes);

// What stands in HTML for a text.
std::string html_text(std::string_view text);

// "0.123", "1.5e-09": so many digits that count.
std::string figure_text(double value, int digits = 3);

enum class Colours {
    ink,           // -1 white to 1 black
    signed_values  // blue below 0, white, red above it, the largest amount the strongest
};
// Small pictures (N, 1, h, w) in rows of `columns`, each pixel `scale` dots, as an <img>. alt: what
// it shows.
struct PictureGrid {
    int columns = 20;
    int scale = 4;
    Colours colours = Colours::ink;
    std::string alt;
};
std::string grid_html(const at::Tensor& pictures, const PictureGrid& grid);

// Pictures side by side, each with a line below it.
struct Captioned {
    at::Tensor picture;  // (1, 1, h, w)
    std::string caption;
    Colours colours = Colours::ink;
};
std::string row_html(const std::vector<Captioned>& pictures, int scale = 8);

struct ChartLine {
    std::string name;
    std::vector<std::pair<double, double>> points;
    bool dots = false;  // and no line
};
struct Chart {
    std::string x, y;  // what the axes are
    std::vector<ChartLine> lines;
    bool x_powers = false, y_powers = false;  // axes in powers of ten
};
std::string chart_html(const Chart& chart);

// Cells of text; the first row is the head.
std::string table_html(const std::vector<std::vector<std::string>>& rows);

}  // namespace keepsake::editor
