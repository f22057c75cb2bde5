#include "optimize/scratch/similarity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "pipeline/error.h"

namespace keepsake::optimize {

namespace {

constexpr std::int64_t window = 11;

// (11), adding up to 1.
std::vector<double> gaussian() {
    constexpr double deviation = 1.5;
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t i = 0; i < window; ++i) {
        const double x = static_cast<double>(i - window / 2) / deviation;
        weights.push_back(std::exp(-x * x / 2));
        sum += weights.back();
    }
    for (double& weight : weights) weight /= sum;
    return weights;
}

// (side, side - 10): a row times it is the row blurred.
Tensor blur_of(std::int64_t side, const Tensor& like) {
    static const std::vector<double> weights = gaussian();
    const Tensor band = at::zeros({side, side - window + 1}, at::kDouble);
    auto values = band.accessor<double, 2>();
    for (std::int64_t to = 0; to < band.size(1); ++to)
        for (std::int64_t i = 0; i < window; ++i)
            values[to + i][to] = weights[static_cast<std::size_t>(i)];
    return band.to(like.options());
}

// Each picture by itself, (N, H, W) -> (N, H - 10, W - 10). As products, mostly with zeros: a
// convolution of one channel takes sixteen times as long, forward and back (128 pixels, one thread
// of a Zen 4).
Tensor blurred(const Tensor& pictures) {
    const Tensor across = at::matmul(pictures, blur_of(pictures.size(2), pictures));
    return at::matmul(blur_of(pictures.size(1), pictures).t(), across);
}

}  // namespace

Tensor structural_similarity(const Tensor& a, const Tensor& b, double range) {
    if (std::min(a.size(2), a.size(3)) < window)
        throw Error("pictures", "are smaller than the 11 pixels of SSIM's window");
    const double c1 = std::pow(0.01 * range, 2), c2 = std::pow(0.03 * range, 2);
    const auto planes = [](const Tensor& x) { return x.contiguous().flatten(0, 1); };
    const Tensor x = planes(a), y = planes(b);
    const std::vector<Tensor> means = blurred(at::cat({x, y, x * x, y * y, x * y})).chunk(5);
    const Tensor &mx = means[0], &my = means[1];
    const Tensor vx = means[2] - mx * mx, vy = means[3] - my * my, vxy = means[4] - mx * my;
    const Tensor map =
        (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2));
    return map.view({a.size(0), -1}).mean(1);
}

Tensor similarity_at_scales(const Tensor& a, const Tensor& b, double range) {
    constexpr int most = 3;
    constexpr std::int64_t least_side = 16;
    Tensor x = a, y = b, sum = structural_similarity(a, b, range);
    int scales = 1;
    for (; scales < most && std::min(x.size(2), x.size(3)) / 2 >= least_side; ++scales) {
        x = at::avg_pool2d(x, 2);
        y = at::avg_pool2d(y, 2);
        sum = sum + structural_similarity(x, y, range);
    }
    return sum / scales;
}

Tensor peak_signal_to_noise(const Tensor& a, const Tensor& b, double range) {
    const Tensor error = (a - b).square().flatten(1).mean(1);
    return 10 * at::log10(range * range / error);
}

}  // namespace keepsake::optimize
