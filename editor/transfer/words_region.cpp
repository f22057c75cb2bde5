#include "editor/transfer/words_region.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "editor/photo/pixel_mats.h"
#include "editor/photo/pixel_tensors.h"
#include "pipeline/model/edit_mask.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {
namespace {

using cv::Mat;

constexpr int cut_rounds = 3;

struct Pass {
    const pipeline::UNet& unet;
    const at::Tensor& source;
    double strength;
};

// The sum of the maps, each with a mean of 1: (h, w) float32 on CPU.
at::Tensor sum_of_maps(const pipeline::Model& model, const optimize::Tuning& tuning,
                       const Pixels& square, const WordsRegionOptions& options, Monitor& monitor) {
    const at::Tensor latents = pipeline::encode_image(model, to_tensor(square));
    const at::Tensor none = pipeline::encode_text(model, "").to(at::kFloat);
    const pipeline::UNet& tuned = tuning.unet ? *tuning.unet : model.unet;
    const Pass passes[] = {
        {model.unet, none, 0.85},
        {model.unet, none, 0.7},
        {tuned, none, 0.85},
        {tuned, none, 0.7},
        {tuned, tuning.optimised_embedding, 0.85},
        {tuned, tuning.optimised_embedding, 0.7},
    };
    at::Tensor sum;
    std::int64_t done = 0;
    for (const Pass& pass : passes) {
        Monitor part([&](const Progress&) {
            monitor.step(++done, static_cast<std::int64_t>(std::size(passes)) * options.samples,
                         "region");
        });
        const at::Tensor map = pipeline::edit_mask(
            pass.unet, model.schedule, {latents, tuning.target_embedding, pass.source},
            {pass.strength, options.samples, options.seed}, part);
        const double mean = map.mean().item<double>();
        const at::Tensor scaled = mean > 0 ? map / mean : map;
        sum = sum.defined() ? sum + scaled : scaled;
    }
    return sum.contiguous();
}

// At the square's size, softened, 1 at its 95th percentile.
Mat softened(const at::Tensor& map, const Mat& square, double blur) {
    at::Tensor values = map.clone();
    const Mat coarse(static_cast<int>(map.size(0)), static_cast<int>(map.size(1)), CV_32FC1,
                     values.mutable_data_ptr<float>());
    Mat fine;
    cv::resize(coarse, fine, square.size(), 0, 0, cv::INTER_CUBIC);
    cv::GaussianBlur(fine, fine, {}, blur * square.cols);
    std::vector<float> sorted(fine.begin<float>(), fine.end<float>());
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(0.95 * double(sorted.size() - 1));
    std::nth_element(sorted.begin(), at, sorted.end());
    return *at > 0 ? Mat(fine / *at) : fine;
}

// 255 where the photo's colours go with the map's core.
Mat cut_out(const Mat& map, const Mat& square, double core) {
    Mat rgb, lab, labels(map.size(), CV_8UC1, cv::Scalar(cv::GC_PR_BGD));
    square.convertTo(rgb, CV_8U, 255);
    cv::cvtColor(rgb, lab, cv::COLOR_RGB2Lab);
    labels.setTo(cv::GC_PR_FGD, map > core);
    const auto core_pixels = cv::countNonZero(labels == cv::GC_PR_FGD);
    if (core_pixels == 0 || core_pixels == static_cast<int>(labels.total())) {
        return Mat::zeros(map.size(), CV_8UC1);
    }
    Mat background, foreground;
    cv::theRNG().state = 0;  // GrabCut's clusters are drawn with it
    cv::grabCut(lab, labels, {}, background, foreground, cut_rounds, cv::GC_INIT_WITH_MASK);
    return (labels == cv::GC_PR_FGD) | (labels == cv::GC_FGD);
}

double contrast_of(const Mat& map, const Mat& inside) {
    cv::Scalar mean, deviation;
    cv::meanStdDev(map, mean, deviation);
    if (deviation[0] == 0) return 0;
    return (cv::mean(map, inside)[0] - cv::mean(map, ~inside)[0]) / deviation[0];
}

}  // namespace

WordsRegion words_region(const pipeline::Model& model, const optimize::Tuning& tuning,
                         const Pixels& square, const WordsRegionOptions& options,
                         Monitor& monitor) {
    const Mat photo = unit_mat(square);
    const Mat map =
        softened(sum_of_maps(model, tuning, square, options, monitor), photo, options.blur);
    const Mat inside = cut_out(map, photo, options.core);
    const double covers = double(cv::countNonZero(inside)) / double(inside.total());
    WordsRegion region;
    if (covers < options.least || covers > options.most) return region;
    region.contrast = contrast_of(map, inside);
    if (region.contrast < options.sure) return region;
    region.mask = Mask{
        square.width, square.height, {inside.begin<std::uint8_t>(), inside.end<std::uint8_t>()}};
    return region;
}

at::Tensor latent_mask(const Mask& mask, std::int64_t height, std::int64_t width) {
    constexpr double widened = 1.6;
    Mat values(mask.height, mask.width, CV_8UC1,
               const_cast<std::uint8_t*>(mask.values.data()));  // only read
    Mat shares, small;
    values.convertTo(shares, CV_32F, widened / 255);
    cv::resize(shares, small, {static_cast<int>(width), static_cast<int>(height)}, 0, 0,
               cv::INTER_AREA);
    return at::from_blob(small.data, {1, 1, height, width}, at::kFloat).clone().clamp_max(1);
}

}  // namespace keepsake::editor
