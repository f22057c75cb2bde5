#include "editor/transfer/auto_mask.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "editor/photo/pixel_mats.h"
#include "editor/photo/pixel_tensors.h"
#include "editor/transfer/colour_grid.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {
namespace {

using cv::Mat;
using cv::Vec3f;

// The map in steps of a latent, as one that follows the square's colours: each place gets what
// places of its colour around it have, so that the mask has the photo's edges and no holes in what
// is all of a piece.
Mat along_colours(const Mat& map, const Mat& square) {
    Mat fine;
    cv::resize(map, fine, square.size(), 0, 0, cv::INTER_CUBIC);
    const Mat planes[] = {fine, fine, fine};
    Mat target, result(square.size(), CV_32FC1);
    cv::merge(planes, 3, target);
    ColourGridOptions wide;
    wide.smoothings = 4;
    const ColourGrid grid = fit_colour_grid(square, target, wide);
    for (int y = 0; y < square.rows; ++y) {
        const ColourGridRow row(grid, y, square.size());
        for (int x = 0; x < square.cols; ++x) {
            result.at<float>(y, x) = row.change(x, square.at<Vec3f>(y, x).val)[0];
        }
    }
    return result;
}

// One map of the two that are averaged: of `unet`, at `strength`, its mean brought to 1.
at::Tensor map_of(const pipeline::Model& model, const pipeline::UNet& unet,
                  const pipeline::EditMaskInput& input, const pipeline::EditMaskOptions& options,
                  Monitor& monitor) {
    const at::Tensor map = pipeline::edit_mask(unet, model.schedule, input, options, monitor);
    const double mean = map.mean().item<double>();
    return mean > 0 ? map / mean : map;
}

}  // namespace

Mask auto_mask(const pipeline::Model& model, const optimize::Tuning& tuning, const Pixels& square,
               const AutoMaskOptions& options, Monitor& monitor) {
    if (pipeline::is_inpainting(model))
        throw Error(model.path.string(),
                    "is for inpainting and finds no mask by itself; paint one, or give a file");
    const pipeline::EditMaskInput input{pipeline::encode_image(model, to_tensor(square)),
                                        tuning.target_embedding,
                                        pipeline::encode_text(model, "").to(at::kFloat)};
    struct Pass {
        const pipeline::UNet& unet;
        double strength;
    };
    const Pass passes[] = {
        {model.unet, options.model_strength},
        {tuning.unet ? *tuning.unet : model.unet, options.tuned_strength},
    };
    at::Tensor map;
    int done = 0;
    for (const Pass& pass : passes) {
        Monitor part([&](const Progress&) { monitor.step(++done, 2 * options.samples, "mask"); });
        const at::Tensor one =
            map_of(model, pass.unet, input, {pass.strength, options.samples, options.seed}, part);
        map = map.defined() ? (map + one).contiguous() : one;
    }
    const Mat photo = unit_mat(square);
    const Mat coarse(static_cast<int>(map.size(0)), static_cast<int>(map.size(1)), CV_32FC1,
                     map.mutable_data_ptr<float>());
    const Mat smooth = along_colours(coarse, photo);
    double most = 0;
    cv::minMaxLoc(smooth, nullptr, &most);
    Mask mask{square.width, square.height,
              std::vector<std::uint8_t>(std::size_t(square.width) * square.height)};
    for (std::size_t i = 0; most > 0 && i < mask.values.size(); ++i) {
        const double value = smooth.at<float>(static_cast<int>(i / square.width),
                                              static_cast<int>(i % square.width)) /
                             most;
        mask.values[i] = static_cast<std::uint8_t>(std::lround(255 * std::clamp(value, 0.0, 1.0)));
    }
    return mask;
}

}  // namespace keepsake::editor
