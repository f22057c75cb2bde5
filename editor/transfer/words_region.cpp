#include "editor/transfer/words_region.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "editor/photo/pixel_mats.h"
#include "pipeline/model/edit_mask.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {
namespace {

using cv::Mat;

constexpr int cut_rounds = 3;

// At the square's size, softened.
Mat softened(const at::Tensor& map, const Mat& square, double blur) {
    at::Tensor values = map.contiguous().clone();
    const Mat coarse(static_cast<int>(map.size(0)), static_cast<int>(map.size(1)), CV_32FC1,
                     values.mutable_data_ptr<float>());
    Mat fine;
    cv::resize(coarse, fine, square.size(), 0, 0, cv::INTER_CUBIC);
    cv::GaussianBlur(fine, fine, {}, blur * std::sqrt(double(square.total())));
    return fine;
}

double quantile(std::vector<float> values, double share) {
    const auto at = values.begin() + std::llround(share * double(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

// Its 5th percentile at 0 and its 95th at 1; all zero where those are the same.
Mat between_percentiles(const Mat& map) {
    const std::vector<float> values(map.begin<float>(), map.end<float>());
    const double low = quantile(values, 0.05), high = quantile(values, 0.95);
    if (!(high > low)) return Mat::zeros(map.size(), CV_32FC1);
    return (map - low) / (high - low);
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

// The mean of a map where the region is not.
double mean_outside(const at::Tensor& map, const Mat& inside) {
    at::Tensor values = map.contiguous().clone();
    const Mat coarse(static_cast<int>(map.size(0)), static_cast<int>(map.size(1)), CV_32FC1,
                     values.mutable_data_ptr<float>());
    Mat fine;
    cv::resize(coarse, fine, inside.size(), 0, 0, cv::INTER_LINEAR);
    return cv::mean(fine, ~inside)[0];
}

}  // namespace

WordsRegion words_region(const pipeline::Model& model, const optimize::Tuning& tuning,
                         const EncodedSquare& square, const WordsRegionOptions& options,
                         Monitor& monitor) {
    const Mat photo = unit_mat(square.pixels);
    std::int64_t done = 0;
    const std::int64_t noises = options.map.samples + options.samples;
    Monitor part([&](const Progress&) { monitor.step(++done, noises, "region"); });

    const at::Tensor looked = pipeline::words_map(
        model.unet, model.schedule, {square.latents, tuning.target_embedding}, options.map, part);
    const Mat inside =
        cut_out(between_percentiles(softened(looked, photo, options.blur)), photo, options.core);
    const double covers = double(cv::countNonZero(inside)) / double(inside.total());
    WordsRegion region;
    if (covers < options.least || covers > options.most) return region;

    const at::Tensor none = pipeline::encode_text(model, "").to(at::kFloat);
    const at::Tensor does = pipeline::prediction_difference(
        model.unet, model.schedule, {square.latents, tuning.target_embedding, none},
        {options.strength, options.samples, options.map.seed}, part);
    region.elsewhere = mean_outside(does, inside);
    const bool does_nothing = does.max().item<double>() == 0;
    if (does_nothing || region.elsewhere >= options.everywhere) return region;
    region.mask = Mask{square.pixels.width,
                       square.pixels.height,
                       {inside.begin<std::uint8_t>(), inside.end<std::uint8_t>()}};
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
