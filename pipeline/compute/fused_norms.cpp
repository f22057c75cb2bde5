// Group norm and layer norm on tensors, by the kernels.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "pipeline/compute/fused_products.h"

namespace keepsake::pipeline::fused {

using kernels::best_kernels;
using kernels::Kernels;
using kernels::share;

kernels::GroupNorm norm_job(const GroupNormWeights& norm, const Geometry& g, const Tensor& x,
                            const Tensor& stats, bool silu) {
    kernels::GroupNorm job;
    job.x = x.const_data_ptr<float>();
    job.batch = g.batch;
    job.height = g.height;
    job.width = g.width;
    job.channels = g.in;
    job.groups = norm.groups;
    job.eps = norm.eps;
    job.weight = norm.weight.const_data_ptr<float>();
    job.bias = norm.bias.const_data_ptr<float>();
    job.silu = silu;
    job.mean = stats.mutable_data_ptr<float>();
    job.rscale = job.mean + g.batch * norm.groups;
    return job;
}

namespace {

std::int64_t norm_parts(const kernels::GroupNorm& job) {
    return job.batch * (job.channels / kernels::norm_block(job.channels, job.groups));
}

// Mean and scale of every group, from moments that the threads take of parts of each picture.
void measure(const kernels::GroupNorm& norm) {
    const Kernels& k = *best_kernels();
    const std::int64_t pixels = norm.height * norm.width, channels = norm.channels;
    constexpr std::int64_t enough = 16384;  // floats a part: less is not worth another thread
    // Whatever the number of threads: sums in another order are other numbers.
    constexpr std::int64_t most = 64;
    const std::int64_t parts =
        std::clamp<std::int64_t>(pixels * channels / enough, 1, std::min(most, pixels));
    std::vector<float> sums(static_cast<std::size_t>(norm.batch * parts * 2 * channels));
    const auto sums_of = [&](std::int64_t picture, std::int64_t part) {
        return sums.data() + (picture * parts + part) * 2 * channels;
    };
    share(norm.batch * parts, at::get_num_threads(), [&](std::int64_t i) {
        const std::int64_t picture = i / parts, part = i % parts;
        k.group_norm_moments(norm, picture, part * pixels / parts, (part + 1) * pixels / parts,
                             sums_of(picture, part));
    });
    const std::int64_t size = channels / norm.groups;
    const double count = static_cast<double>(pixels);
    std::vector<double> mean(static_cast<std::size_t>(size)), spread(mean.size());
    for (std::int64_t i = 0; i < norm.batch * norm.groups; ++i) {
        const std::int64_t picture = i / norm.groups, first = i % norm.groups * size;
        double group_mean = 0, variance = 0;
        for (std::int64_t c = 0; c < size; ++c) {
            double sum = 0, square = 0;
            for (std::int64_t part = 0; part < parts; ++part) {
                sum += static_cast<double>(sums_of(picture, part)[first + c]);
                square += static_cast<double>(sums_of(picture, part)[channels + first + c]);
            }
            const auto at = static_cast<std::size_t>(c);
            mean[at] =
                static_cast<double>(norm.x[picture * pixels * channels + first + c]) + sum / count;
            spread[at] = square / count - sum / count * (sum / count);
            group_mean += mean[at] / static_cast<double>(size);
        }
        for (std::size_t c = 0; c < mean.size(); ++c)
            variance += (spread[c] + (mean[c] - group_mean) * (mean[c] - group_mean)) /
                        static_cast<double>(size);
        norm.mean[i] = static_cast<float>(group_mean);
        norm.rscale[i] = static_cast<float>(1 / std::sqrt(std::max(variance, 0.0) + norm.eps));
    }
}

}  // namespace

Tensor norm_stats(const GroupNormWeights* norm, const Tensor& x) {
    if (!norm) return {};
    const Tensor stats =
        at::empty({2, x.size(0), norm->groups}, at::TensorOptions().dtype(at::kFloat));
    measure(norm_job(*norm, picture(x), x, stats, /*silu=*/false));
    return stats;
}

Tensor normalise(const GroupNormWeights& norm, const Tensor& x) {
    FusedLayer layer;
    layer.norm = &norm;
    return prepare(layer, picture(x), x, norm_stats(&norm, x));
}

NormGradients norm_gradient(const FusedLayer& layer, const Geometry& g, const Tensor& x,
                            const Tensor& stats, const Tensor& d, NormLearns learns) {
    const Kernels& k = *best_kernels();
    const Tensor dx = at::empty_like(x);
    const kernels::GroupNorm job = norm_job(*layer.norm, g, x, stats, layer.silu);
    kernels::GroupNormGradient gradient{d.const_data_ptr<float>(), dx.mutable_data_ptr<float>()};
    Tensor both;
    if (learns == NormLearns::yes) {
        both = at::empty({2, g.batch, g.in}, at::TensorOptions().dtype(at::kFloat));
        gradient.dweight = both.mutable_data_ptr<float>();
        gradient.dbias = gradient.dweight + g.batch * g.in;
    }
    share(norm_parts(job), at::get_num_threads(),
          [&](std::int64_t i) { k.group_norm_gradient(job, gradient, i, i + 1); });
    if (learns == NormLearns::no) return {dx, Tensor(), Tensor()};
    const Tensor sums = both.sum(1);
    return {dx, sums[0], sums[1]};
}

kernels::LayerNorm layer_norm_job(const Tensor& x, const Tensor& weight, const Tensor& bias,
                                  double eps) {
    kernels::LayerNorm job;
    job.x = x.const_data_ptr<float>();
    job.channels = x.size(-1);
    job.rows = x.numel() / job.channels;
    job.eps = eps;
    job.weight = weight.const_data_ptr<float>();
    job.bias = bias.const_data_ptr<float>();
    return job;
}

}  // namespace keepsake::pipeline::fused
