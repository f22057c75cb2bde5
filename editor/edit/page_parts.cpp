#include "editor/edit/page_parts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "editor/photo/image_file.h"
#include "editor/photo/pixels.h"

namespace keepsake::editor {
namespace {

using at::Tensor;

using Colour = std::array<std::uint8_t, 3>;

Colour colour_of(double value, Colours colours) {
    const auto byte = [](double share) {
        return static_cast<std::uint8_t>(std::lround(255 * std::clamp(share, 0.0, 1.0)));
    };
    if (colours == Colours::ink) {
        const std::uint8_t grey = byte((1 - value) / 2);
        return {grey, grey, grey};
    }
    const double rest = 1 - std::abs(value);
    return value < 0 ? Colour{byte(rest), byte(rest), 255} : Colour{255, byte(rest), byte(rest)};
}

Pixels draw_grid(const Tensor& pictures, const PictureGrid& grid) {
    Tensor values = pictures.detach().to(at::kDouble).contiguous();
    if (grid.colours == Colours::signed_values) values = values / values.abs().max();
    const auto count = static_cast<int>(values.size(0));
    const auto height = static_cast<int>(values.size(2)), width = static_cast<int>(values.size(3));
    const int columns = std::min(grid.columns, count), rows = (count + columns - 1) / columns;
    const int gap = grid.scale;
    const int step_x = width * grid.scale + gap, step_y = height * grid.scale + gap;
    Pixels sheet{columns * step_x - gap, rows * step_y - gap, {}};
    sheet.rgb.assign(std::size_t(sheet.width) * sheet.height * 3, 236);
    const double* value = values.const_data_ptr<double>();
    for (int i = 0; i < count; ++i)
        for (int y = 0; y < height * grid.scale; ++y)
            for (int x = 0; x < width * grid.scale; ++x) {
                const int from = (i * height + y / grid.scale) * width + x / grid.scale;
                const int to = (i / columns * step_y + y) * sheet.width + i % columns * step_x + x;
                const Colour colour = colour_of(value[from], grid.colours);
                std::copy(colour.begin(), colour.end(), &sheet.rgb[std::size_t(to) * 3]);
            }
    return sheet;
}

// An axis: where values lie on it, and the places that are named.
struct Axis {
    double low = 0, high = 1;
    bool powers = false;

    Axis(const Chart& chart, bool of_x) : powers(of_x ? chart.x_powers : chart.y_powers) {
        low = 1e300, high = -1e300;
        for (const ChartLine& line : chart.lines)
            for (const auto& [x, y] : line.points) {
                const double at = place(of_x ? x : y);
                low = std::min(low, at), high = std::max(high, at);
            }
        if (powers) low = std::floor(low), high = std::ceil(high);
        if (!powers && low > 0 && low < high / 2) low = 0;
        if (!(high > low)) high = low + 1;
    }
    double place(double value) const { return powers ? std::log10(std::max(value, 1e-20)) : value; }
    double share(double value) const { return (place(value) - low) / (high - low); }
    std::vector<double> ticks() const {
        std::vector<double> values;
        if (powers) {
            const double step = high - low > 8 ? 2 : 1;
            for (double at = low; at <= high; at += step) values.push_back(std::pow(10, at));
            return values;
        }
        const double rough = (high - low) / 4, unit = std::pow(10, std::floor(std::log10(rough)));
        const double step = unit * (rough / unit < 2 ? 1 : rough / unit < 5 ? 2 : 5);
        for (double at = std::ceil(low / step) * step; at <= high + step / 1e6; at += step)
            values.push_back(std::abs(at) < step / 1e6 ? 0 : at);
        return values;
    }
};

std::string tick_text(const Axis& axis, double value) {
    if (!axis.powers) return figure_text(value);
    return "1e" + std::to_string(std::lround(std::log10(value)));
}

constexpr std::array<const char*, 4> line_colours = {"#b3391f", "#1f5fb3", "#3d7a2a", "#7a4fa0"};
constexpr int chart_width = 560, chart_height = 240, left = 64, bottom = 40, top = 12, right = 16;

std::string svg_text(double x, double y, const std::string& anchor, const std::string& text) {
    return "<text x=\"" + figure_text(x, 5) + "\" y=\"" + figure_text(y, 5) + "\" text-anchor=\"" +
           anchor + "\">" + html_text(text) + "</text>";
}

std::string svg_line(double x1, double y1, double x2, double y2) {
    return "<line x1=\"" + figure_text(x1, 5) + "\" y1=\"" + figure_text(y1, 5) + "\" x2=\"" +
           figure_text(x2, 5) + "\" y2=\"" + figure_text(y2, 5) + "\"/>";
}

}  // namespace

std::string base64(std::string_view bytes) {
    static constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        for (std::size_t j = 0; j < 3; ++j)
            group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            text += j <= count ? digits[group >> (18 - 6 * j) & 63] : '=';
    }
    return text;
}

std::string html_text(std::string_view text) {
    std::string html;
    for (const char c : text) {
        if (c == '<')
            html += "&lt;";
        else if (c == '>')
            html += "&gt;";
        else if (c == '&')
            html += "&amp;";
        else if (c == '"')
            html += "&quot;";
        else
            html += c;
    }
    return html;
}

std::string figure_text(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    return text;
}

std::string grid_html(const Tensor& pictures, const PictureGrid& grid) {
    const Pixels pixels = draw_grid(pictures, grid);
    return "<img alt=\"" + html_text(grid.alt) + "\" width=\"" + std::to_string(pixels.width) +
           "\" height=\"" + std::to_string(pixels.height) + "\" src=\"data:image/png;base64," +
           base64(png_bytes(pixels)) + "\"/>";
}

std::string row_html(const std::vector<Captioned>& pictures, int scale) {
    std::string html = "<div class=\"row\">";
    for (const Captioned& one : pictures)
        html +=
            "<figure>" +
            grid_html(one.picture,
                      {.columns = 1, .scale = scale, .colours = one.colours, .alt = one.caption}) +
            "<figcaption>" + html_text(one.caption) + "</figcaption></figure>";
    return html + "</div>\n";
}

std::string chart_html(const Chart& chart) {
    const Axis x(chart, true), y(chart, false);
    const double wide = chart_width - left - right, high = chart_height - top - bottom;
    const auto at_x = [&](double value) { return left + wide * x.share(value); };
    const auto at_y = [&](double value) { return top + high * (1 - y.share(value)); };
    std::string svg = "<svg role=\"img\" width=\"" + std::to_string(chart_width) + "\" height=\"" +
                      std::to_string(chart_height) + "\"><g class=\"axes\">";
    for (const double tick : y.ticks())
        svg += svg_line(left, at_y(tick), chart_width - right, at_y(tick)) +
               svg_text(left - 6, at_y(tick) + 4, "end", tick_text(y, tick));
    for (const double tick : x.ticks())
        svg += svg_text(at_x(tick), chart_height - bottom + 16, "middle", tick_text(x, tick));
    svg += svg_text(left + wide / 2, chart_height - 6, "middle", chart.x) +
           svg_text(left + 6, top + 12, "start", chart.y) + "</g>";
    for (std::size_t i = 0; i < chart.lines.size(); ++i) {
        const ChartLine& line = chart.lines[i];
        const std::string colour = line_colours[i % line_colours.size()];
        if (line.dots) {
            for (const auto& [px, py] : line.points)
                svg += "<circle r=\"2\" cx=\"" + figure_text(at_x(px), 5) + "\" cy=\"" +
                       figure_text(at_y(py), 5) + "\" fill=\"" + colour + "\"/>";
        } else {
            svg +=
                "<polyline fill=\"none\" stroke-width=\"1.6\" stroke=\"" + colour + "\" points=\"";
            for (const auto& [px, py] : line.points)
                svg += figure_text(at_x(px), 5) + "," + figure_text(at_y(py), 5) + " ";
            svg += "\"/>";
        }
        if (!line.name.empty())
            svg += "<text text-anchor=\"end\" x=\"" + std::to_string(chart_width - right - 4) +
                   "\" y=\"" + std::to_string(top + 14 + 16 * static_cast<int>(i)) + "\" fill=\"" +
                   colour + "\">" + html_text(line.name) + "</text>";
    }
    return svg + "</svg>\n";
}

std::string table_html(const std::vector<std::vector<std::string>>& rows) {
    std::string html = "<table>";
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::string cell = i == 0 ? "th" : "td";
        html += "<tr>";
        for (const std::string& text : rows[i])
            html += "<" + cell + ">" + html_text(text) + "</" + cell + ">";
        html += "</tr>";
    }
    return html + "</table>\n";
}

}  // namespace keepsake::editor
