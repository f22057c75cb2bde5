#include "pipeline/compute/fused_products.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace keepsake::pipeline::fused {

using kernels::best_kernels;
using kernels::Kernels;
using kernels::share;

Geometry picture(const Tensor& x) {
    Geometry g;
    g.picture = true;
    g.batch = x.size(0);
    g.in = x.size(1);
    g.height = x.size(2);
    g.width = x.size(3);
    return g;
}

Geometry geometry_of(const FusedLayer& layer, const Tensor& x) {
    const std::int64_t in = layer.weight.size(1);
    Geometry g = x.dim() == 4 ? picture(x) : matrix(x.numel() / in, in, 0);
    g.out = layer.weight.size(0);
    if (g.picture && layer.weight.dim() == 4) g.kernel = layer.weight.size(2);
    g.stride = layer.stride;
    g.padding = layer.padding;
    g.upscale = layer.upscale;
    return g;
}

Tensor in_rows(const Tensor& x) {
    return x.contiguous(layer_format(x));
}

Tensor empty_picture(std::int64_t batch, std::int64_t channels, std::int64_t height,
                     std::int64_t width) {
    return at::empty({batch, channels, height, width}, at::TensorOptions().dtype(at::kFloat),
                     at::MemoryFormat::ChannelsLast);
}

// What the product reads: x itself, or normalised and with its border.
Tensor prepare(const FusedLayer& layer, const Geometry& g, const Tensor& x, const Tensor& stats) {
    const Kernels& k = *best_kernels();
    if (layer.norm) {
        const Tensor y = empty_picture(g.batch, g.in, g.padded_height(), g.padded_width());
        kernels::GroupNorm job = norm_job(*layer.norm, g, x, stats, layer.silu);
        job.border = g.padding;
        job.y = y.mutable_data_ptr<float>();
        share_runs(g.batch * g.padded_height(), std::max<std::int64_t>(1, 64 / g.padded_width()),
                   [&](std::int64_t begin, std::int64_t end) { k.group_norm(job, begin, end); });
        return y;
    }
    if (g.padding == 0 && g.upscale == 1) return x;
    const Tensor y = empty_picture(g.batch, g.in, g.padded_height(), g.padded_width());
    const kernels::Pad job{
        x.const_data_ptr<float>(),  g.batch, g.height, g.width, g.in, g.padding, g.upscale,
        y.mutable_data_ptr<float>()};
    share_runs(g.batch * g.padded_height(), 1,
               [&](std::int64_t begin, std::int64_t end) { k.pad(job, begin, end); });
    return y;
}

// Where in the prepared input each row of the product begins.
kernels::RowLayout input_rows(const Geometry& g) {
    const std::int64_t line = g.padded_width() * g.in;
    return {g.out_width(), g.out_height(), g.stride * g.in, g.stride * line,
            g.padded_height() * line};
}

// The result's rows: one pixel after the other.
kernels::RowLayout dense_rows(std::int64_t rows, std::int64_t columns) {
    return {rows, 1, columns, 0, 0};
}

kernels::InputMatrix input_matrix(const Geometry& g, const Tensor& prepared) {
    kernels::InputMatrix input;
    input.a = prepared.const_data_ptr<float>();
    input.a_rows = input_rows(g);
    input.segments = g.kernel;
    input.segment_length = g.kernel * g.in;
    input.segment_stride = g.padded_width() * g.in;
    input.rows = g.rows();
    return input;
}

kernels::Product product_job(const Geometry& g, const Tensor& prepared) {
    kernels::Product job{input_matrix(g, prepared)};
    job.columns = g.out;
    job.c_rows = dense_rows(g.rows(), g.out);
    return job;
}

const Kernels& kernels_of(const FusedLayer& layer, const Geometry& g) {
    return kernels_of(layer.arithmetic, g);
}

const Kernels& kernels_of(Arithmetic arithmetic, const Geometry& g) {
    const bool fits = g.in % 32 == 0 && g.out % 32 == 0;
    const Kernels* asked = fits ? kernels::kernels_for(arithmetic) : nullptr;
    return asked ? *asked : *best_kernels();
}

Tensor panels_of(const Kernels& k, const FusedLayer& layer, PackedWeights::Kind kind) {
    PackedWeights once;
    return (layer.packed ? *layer.packed : once).get(layer.weight, kind, k.arithmetic);
}

Tensor use_weight(const Kernels& k, const FusedLayer& layer, kernels::Product& job) {
    if (!layer.packed && k.arithmetic == Arithmetic::float32) {
        job.weights = stored(layer.weight);
        return {};
    }
    const Tensor packed = panels_of(k, layer, PackedWeights::Kind::plain);
    job.panels = packed.const_data_ptr();
    return packed;
}

Tensor result_like(const Geometry& g, const Tensor& x, std::int64_t channels) {
    if (g.picture) return empty_picture(g.batch, channels, g.out_height(), g.out_width());
    std::vector<std::int64_t> shape = x.sizes().vec();
    shape.back() = channels;
    return at::empty(shape, at::TensorOptions().dtype(at::kFloat));
}

const float* data_or_null(const Tensor& t) {
    return t.defined() ? t.const_data_ptr<float>() : nullptr;
}

Geometry matrix(std::int64_t rows, std::int64_t in, std::int64_t out) {
    Geometry g;
    g.width = rows;
    g.in = in;
    g.out = out;
    return g;
}

// C = A B for a plain matrix A, written or added to what C holds.
enum class Into { fresh, added };
void matrix_product(const Tensor& a, std::int64_t rows, const Tensor& panels, std::int64_t depth,
                    const Tensor& c, std::int64_t columns, Into into) {
    const Geometry g = matrix(rows, depth, columns);
    kernels::Product job = product_job(g, a);
    job.panels = panels.const_data_ptr();
    job.c = c.mutable_data_ptr<float>();
    if (into == Into::added) job.residual = job.c;
    run_product(*best_kernels(), job);
}

// middle: (rows, rank), in place.
void scale_middle(const Lora& lora, const Tensor& stays, const Tensor& middle) {
    if (stays.defined()) middle.mul_(stays);
    const double factor = middle_factor(lora, stays.defined());
    if (factor != 1) middle.mul_(factor);
}

// The low-rank half of a layer: down over the prepared input -> (rows, rank), then up, added to y.
Tensor add_lora(const Lora& lora, const Geometry& g, const Tensor& prepared, const Tensor& y,
                const Tensor& stays) {
    const std::int64_t rank = lora.down.size(0);
    Geometry low = g;
    low.out = rank;
    kernels::Product job = product_job(low, prepared);
    const Tensor down = lora.packed_down->get(lora.down, PackedWeights::Kind::plain);
    job.panels = down.const_data_ptr();
    const Tensor t = at::empty({g.rows(), rank}, at::TensorOptions().dtype(at::kFloat));
    job.c = t.mutable_data_ptr<float>();
    run_product(*best_kernels(), job);
    scale_middle(lora, stays, t);
    const Tensor up = lora.packed_up->get(lora.up, PackedWeights::Kind::plain);
    matrix_product(t, g.rows(), up, rank, y, g.out, Into::added);
    return t;
}

// A 3x3 convolution after nearest-neighbour upsampling by two. Every second pixel of the result, in
// either direction, sees only two by two different pixels of x, so that four convolutions with 2x2
// kernels (sums of the 3x3 one's taps) do it with four ninths of the multiplications.
Tensor convolve_upscaled(const FusedLayer& layer, const Geometry& g, const Tensor& x) {
    FusedLayer padding = layer;
    padding.upscale = 1;
    Geometry small = g;
    small.upscale = 1;
    const Tensor prepared = prepare(padding, small, x, {});
    const Kernels& k = kernels_of(layer, g);
    const Tensor packed = panels_of(k, layer, PackedWeights::Kind::upscaled);
    const Tensor y = result_like(g, x, g.out);
    const std::int64_t line = small.padded_width() * g.in, out_line = g.out_width() * g.out;
    for (std::int64_t phase = 0; phase < 4; ++phase) {
        const std::int64_t down = phase / 2, right = phase % 2;
        kernels::Product job = product_job(small, prepared);
        job.a += down * line + right * g.in;
        job.segments = 2;
        job.segment_length = 2 * g.in;
        job.panels = packed[phase].const_data_ptr();
        job.bias = data_or_null(layer.bias);
        job.c = y.mutable_data_ptr<float>() + down * out_line + right * g.out;
        job.c_rows = {g.width, g.height, 2 * g.out, 2 * out_line, g.out_height() * out_line};
        run_product(k, job);
    }
    return y;
}

Forward forward(const FusedLayer& layer, const Tensor& x, const FusedExtras& extras,
                const Tensor& stats, const Tensor& stays) {
    const Geometry g = geometry_of(layer, x);
    // As many multiplications as Winograd's convolution of the large picture, and fewer additions;
    // but the weights are better kept than made at each call.
    if (layer.packed && g.upscale == 2 && g.kernel == 3 && g.padding == 1 && g.stride == 1 &&
        !layer.lora && !extras.group_bias.defined() && !extras.residual.defined())
        return {convolve_upscaled(layer, g, x), Tensor()};
    const Tensor prepared = prepare(layer, g, x, stats);
    kernels::Product job = product_job(g, prepared);
    const Tensor y = result_like(g, x, g.out);
    job.bias = data_or_null(layer.bias);
    const Tensor group_bias =
        extras.group_bias.defined() ? extras.group_bias.contiguous() : Tensor();
    job.group_bias = data_or_null(group_bias);
    if (group_bias.defined()) job.rows_per_group = g.rows() / group_bias.size(0);
    const Tensor residual = extras.residual.defined() ? in_rows(extras.residual) : Tensor();
    job.residual = data_or_null(residual);
    job.c = y.mutable_data_ptr<float>();
    Tensor packed;
    const Kernels& k = kernels_of(layer, g);
    if (suits_winograd(k, g, layer.packed != nullptr)) {
        packed = panels_of(k, layer, PackedWeights::Kind::winograd);
        run_winograd(k, g, prepared, packed, job);
    } else {
        packed = use_weight(k, layer, job);
        run_product(k, job);
    }
    return {y, layer.lora ? add_lora(*layer.lora, g, prepared, y, stays) : Tensor()};
}

// What a stride left out, put back as zeros: the gradient of a strided convolution is that of the
// plain one with this in place of dy.
Tensor with_gaps(const Geometry& g, const Tensor& dy) {
    const Tensor gaps = empty_picture(g.batch, g.out, g.height, g.width).zero_();
    gaps.slice(2, 0, g.height, g.stride).slice(3, 0, g.width, g.stride).copy_(dy);
    return gaps;
}

// dL/d(prepared input, without its border), from dy and the weight of a convolution whose geometry
// is g: the same product with the weights transposed and the taps reversed, over dy with a border
// that makes the result as large as the input. Added to `dx` where that is defined.
Tensor input_gradient(Arithmetic arithmetic, const Tensor& weight, PackedWeights& packed_weight,
                      const Geometry& g, const Tensor& gradient, const Tensor& add_to) {
    const Kernels& k = kernels_of(arithmetic, g);
    const Tensor dy = g.stride == 1 ? gradient : with_gaps(g, gradient);
    Geometry back;
    back.batch = g.batch;
    back.height = g.picture ? dy.size(2) : 1;
    back.width = g.picture ? dy.size(3) : g.width;
    back.in = g.out;
    back.out = g.in;
    back.kernel = g.kernel;
    back.padding = g.kernel - 1 - g.padding;
    back.picture = g.picture;
    const Tensor prepared = prepare({}, back, dy, {});
    kernels::Product job = product_job(back, prepared);
    const Tensor dx = add_to.defined() ? add_to : result_like(back, dy, g.in);
    job.c = dx.mutable_data_ptr<float>();
    if (add_to.defined()) job.residual = job.c;
    const bool winograd = suits_winograd(k, back, /*kept=*/true);
    const Tensor packed = packed_weight.get(
        weight,
        winograd ? PackedWeights::Kind::winograd_transposed : PackedWeights::Kind::transposed,
        k.arithmetic);
    if (winograd) {
        run_winograd(k, back, prepared, packed, job);
    } else {
        job.panels = packed.const_data_ptr();
        run_product(k, job);
    }
    return dx;
}

Tensor weight_gradient(Arithmetic arithmetic, const Tensor& weight, const Geometry& g,
                       const Tensor& prepared, const Tensor& dy) {
    const Kernels& k = kernels_of(arithmetic, g);
    // In the order of the kernel's result, whatever the weight's own.
    const Tensor gradient = at::empty_like(weight, at::TensorOptions(), layer_format(weight));
    kernels::WeightGradient job{input_matrix(g, prepared)};
    job.outs = g.out;
    job.d = dy.const_data_ptr<float>();
    job.gradient = gradient.mutable_data_ptr<float>();
    if (k.arithmetic == Arithmetic::float32) {
        constexpr std::int64_t outs = 24;  // a multiple of every kernel's rows
        share_runs(g.out, outs, [&](std::int64_t begin, std::int64_t end) {
            k.weight_gradient(job, begin, end, nullptr);
        });
        return gradient;
    }
    // A part rounds A for its outs anew: as few parts as keep the threads at work.
    const std::int64_t unit = k.panel_width, threads = at::get_num_threads();
    const std::int64_t even = (g.out + threads - 1) / threads;
    const std::int64_t outs = std::min<std::int64_t>((even + unit - 1) / unit * unit, 256);
    share_runs(g.out, outs, [&](std::int64_t begin, std::int64_t end) {
        const Tensor scratch = at::empty({k.weight_gradient_scratch(end - begin)},
                                         at::TensorOptions().dtype(at::kFloat));
        k.weight_gradient(job, begin, end, scratch.mutable_data_ptr<float>());
    });
    return gradient;
}

// dL/d(what the low-rank half has in its middle), in the shape of a picture where dy is one.
Tensor lora_gradient(const Lora& lora, const Geometry& g, const Tensor& dy, const Tensor& stays) {
    const std::int64_t rank = lora.down.size(0);
    const Tensor up = lora.packed_up->get(lora.up, PackedWeights::Kind::transposed);
    const Tensor d = at::empty({g.rows(), rank}, at::TensorOptions().dtype(at::kFloat));
    matrix_product(dy, g.rows(), up, g.out, d, rank, Into::fresh);
    scale_middle(lora, stays, d);
    if (!g.picture) return d;
    return d.view({g.batch, g.out_height(), g.out_width(), rank}).permute({0, 3, 1, 2});
}

}  // namespace keepsake::pipeline::fused
