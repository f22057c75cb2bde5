// A colour change as affine functions of colour that vary over place and lightness: bilateral
// guided upsampling (Chen, Adams, Wadhwa & Hasinoff, SIGGRAPH Asia 2016), fitted on small pictures
// and read at a large one's pixels.
#pragma once

#include <array>
#include <opencv2/core.hpp>
#include <vector>

namespace keepsake::editor {

// The values suit the pictures of a latent diffusion model, whose latents are 8 pixels wide, and
// were chosen with tests/bench/full_resolution_bench.cpp.
struct ColourGridOptions {
    int cell = 8;         // pixels of the small pictures that share a function, across and down
    int depth = 8;        // steps of lightness
    int smoothings = 2;   // times that (1 2 1) is run over the sums, along every axis
    double ridge = 2e-3;  // colour variance below which a cell shifts colours but does not scale
    double filling =
        0.01;  // share of the neighbourhood's colours of any lightness in every cell's,
               // so that a lightness that the small picture lacks has a function too
};

// Rows of A, then b: the change of colour c is A c + b.
using AffineColour = std::array<float, 12>;

struct ColourGrid {
    int width = 0, height = 0, depth = 0;
    std::vector<AffineColour> cells;  // place (x, y), lightness z: (y * width + x) * depth + z

    // 0 to depth - 1.
    static float level(const float* colour, int depth);
};

// guide, change: of one size, CV_32FC3; guide in [0, 1]. The functions of the guide's
// colours that come nearest to `change` around every cell. Zero where the change is zero.
ColourGrid fit_colour_grid(const cv::Mat& guide, const cv::Mat& change,
                           const ColourGridOptions& options = {});

// Reads a grid along one row of an area.
class ColourGridRow {
  public:
    // Row y of an area of so many pixels.
    ColourGridRow(const ColourGrid& grid, int y, cv::Size pixels);
    // The change of a colour (three floats in [0, 1]) at x.
    std::array<float, 3> change(int x, const float* colour) const;

  private:
    int width_, depth_;
    float scale_;
    std::vector<AffineColour> cells_;
};

}  // namespace keepsake::editor
