#include "pipeline/fused_layers.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/kernels.h"
#include "pipeline/layers.h"

namespace keepsake::pipeline {

namespace {

using kernels::best_kernels;
using kernels::Kernels;
using kernels::share;

// Everything that does not change between the forward and the backward of one call.
struct Geometry {
    std::int64_t batch = 1, height = 1, width = 1;  // of x, in pixels; a matrix is one row of them
    std::int64_t in = 0, out = 0;
    std::int64_t kernel = 1, stride = 1, padding = 0, upscale = 1;

    std::int64_t padded_height() const { return upscale * height + 2 * padding; }
    std::int64_t padded_width() const { return upscale * width + 2 * padding; }
    std::int64_t out_height() const { return (padded_height() - kernel) / stride + 1; }
    std::int64_t out_width() const { return (padded_width() - kernel) / stride + 1; }
    std::int64_t rows() const { return batch * out_height() * out_width(); }
    bool picture = false;  // or a matrix
};

Geometry geometry_of(const FusedLayer& layer, const Tensor& x) {
    Geometry g;
    g.out = layer.weight.size(0);
    g.in = layer.weight.size(1);
    g.stride = layer.stride;
    g.padding = layer.padding;
    g.upscale = layer.upscale;
    g.picture = x.dim() == 4;
    if (x.dim() == 4) {
        g.kernel = layer.weight.dim() == 4 ? layer.weight.size(2) : 1;
        g.batch = x.size(0);
        g.height = x.size(2);
        g.width = x.size(3);
    } else {
        g.width = x.numel() / g.in;
    }
    return g;
}

Tensor in_rows(const Tensor& x) {
    return x.contiguous(x.dim() == 4 ? at::MemoryFormat::ChannelsLast
                                     : at::MemoryFormat::Contiguous);
}

Tensor empty_picture(std::int64_t batch, std::int64_t channels, std::int64_t height,
                     std::int64_t width) {
    return at::empty({batch, channels, height, width}, at::TensorOptions().dtype(at::kFloat),
                     at::MemoryFormat::ChannelsLast);
}

kernels::GroupNorm norm_job(const GroupNorm& norm, const Geometry& g, const Tensor& x,
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

std::int64_t norm_parts(const kernels::GroupNorm& job) {
    return job.batch * (job.channels / kernels::norm_block(job.channels, job.groups));
}

// What the product reads: x itself, or normalised and with its border.
Tensor prepare(const FusedLayer& layer, const Geometry& g, const Tensor& x, const Tensor& stats) {
    const Kernels& k = *best_kernels();
    const int threads = at::get_num_threads();
    if (layer.norm) {
        const Tensor y = empty_picture(g.batch, g.in, g.padded_height(), g.padded_width());
        kernels::GroupNorm job = norm_job(*layer.norm, g, x, stats, layer.silu);
        job.border = g.padding;
        job.y = y.mutable_data_ptr<float>();
        share(norm_parts(job), threads, [&](std::int64_t i) { k.group_norm_stats(job, i, i + 1); });
        const std::int64_t rows = g.batch * g.padded_height();
        const std::int64_t run = std::max<std::int64_t>(1, 64 / g.padded_width());
        share((rows + run - 1) / run, threads,
              [&](std::int64_t i) { k.group_norm(job, i * run, std::min(rows, (i + 1) * run)); });
        return y;
    }
    if (g.padding == 0 && g.upscale == 1) return x;
    const Tensor y = empty_picture(g.batch, g.in, g.padded_height(), g.padded_width());
    const kernels::Pad job{
        x.const_data_ptr<float>(),  g.batch, g.height, g.width, g.in, g.padding, g.upscale,
        y.mutable_data_ptr<float>()};
    share(g.batch * g.padded_height(), threads, [&](std::int64_t i) { k.pad(job, i, i + 1); });
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

// Shares a product among the threads: by panels and by runs of rows, several parts a thread so that
// one that is held up does not hold up all, runs short enough for the second-level cache.
void run_product(const kernels::Product& job) {
    const Kernels& k = *best_kernels();
    const std::int64_t panels = (job.columns + k.panel_width - 1) / k.panel_width;
    const std::int64_t threads = at::get_num_threads();
    // Where panels are packed on the way, a panel is one part: packing it twice costs more.
    std::int64_t run = job.panels ? 96 : job.rows;
    while (job.panels && run > 12 && panels * ((job.rows + run - 1) / run) < 4 * threads) run /= 2;
    const std::int64_t runs = (job.rows + run - 1) / run;
    const std::int64_t panel_size = job.panels ? 0 : k.panel_width * job.depth();
    share(panels * runs, static_cast<int>(threads), [&](std::int64_t i) {
        const Tensor scratch =
            panel_size ? at::empty({panel_size}, at::TensorOptions().dtype(at::kFloat)) : Tensor();
        const std::int64_t panel = i / runs, begin = i % runs * run;
        k.product(job, {begin, std::min(begin + run, job.rows), panel, panel + 1},
                  panel_size ? scratch.mutable_data_ptr<float>() : nullptr);
    });
}

kernels::Product product_job(const Geometry& g, const Tensor& prepared) {
    kernels::Product job;
    job.a = prepared.const_data_ptr<float>();
    job.a_rows = input_rows(g);
    job.segments = g.kernel;
    job.segment_length = g.kernel * g.in;
    job.segment_stride = g.padded_width() * g.in;
    job.rows = g.rows();
    job.columns = g.out;
    job.c_rows = dense_rows(g.rows(), g.out);
    return job;
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

// The rows of a plain matrix.
Geometry matrix(std::int64_t rows, std::int64_t in, std::int64_t out) {
    Geometry g;
    g.width = rows;
    g.in = in;
    g.out = out;
    return g;
}

// C = A B for a plain matrix A, added to what C holds where `accumulate`.
enum class Into { fresh, added };
void matrix_product(const Tensor& a, std::int64_t rows, const Tensor& panels, std::int64_t depth,
                    const Tensor& c, std::int64_t columns, Into into) {
    const Geometry g = matrix(rows, depth, columns);
    kernels::Product job = product_job(g, a);
    job.panels = panels.const_data_ptr<float>();
    job.c = c.mutable_data_ptr<float>();
    if (into == Into::added) job.residual = job.c;
    run_product(job);
}

// The low-rank half of a layer: down over the prepared input -> (rows, rank), then up, added to y.
Tensor add_lora(const Lora& lora, const Geometry& g, const Tensor& prepared, const Tensor& y) {
    const std::int64_t rank = lora.down.size(0);
    Geometry low = g;
    low.out = rank;
    kernels::Product job = product_job(low, prepared);
    const Tensor down = lora.packed_down->get(lora.down, PackedWeights::Kind::plain);
    job.panels = down.const_data_ptr<float>();
    const Tensor t = at::empty({g.rows(), rank}, at::TensorOptions().dtype(at::kFloat));
    job.c = t.mutable_data_ptr<float>();
    run_product(job);
    const Tensor up = lora.packed_up->get(lora.up, PackedWeights::Kind::plain);
    matrix_product(t, g.rows(), up, rank, y, g.out, Into::added);
    return t;
}

struct Forward {
    Tensor y;
    Tensor low;  // (rows, rank): what the low-rank half has in its middle; empty without one
};

// A 3x3 convolution after nearest-neighbour upsampling by two. Every second pixel of the result, in
// either direction, sees only two by two different pixels of x, so that four convolutions with 2x2
// kernels (sums of the 3x3 one's taps) do it with four ninths of the multiplications.
Tensor convolve_upscaled(const FusedLayer& layer, const Geometry& g, const Tensor& x) {
    FusedLayer padding = layer;
    padding.upscale = 1;
    Geometry small = g;
    small.upscale = 1;
    const Tensor prepared = prepare(padding, small, x, {});
    PackedWeights once;
    const Tensor packed =
        (layer.packed ? *layer.packed : once).get(layer.weight, PackedWeights::Kind::upscaled);
    const Tensor y = result_like(g, x, g.out);
    const std::int64_t line = small.padded_width() * g.in, out_line = g.out_width() * g.out;
    for (std::int64_t phase = 0; phase < 4; ++phase) {
        const std::int64_t down = phase / 2, right = phase % 2;
        kernels::Product job = product_job(small, prepared);
        job.a += down * line + right * g.in;
        job.segments = 2;
        job.segment_length = 2 * g.in;
        job.panels = packed[phase].const_data_ptr<float>();
        job.bias = data_or_null(layer.bias);
        job.c = y.mutable_data_ptr<float>() + down * out_line + right * g.out;
        job.c_rows = {g.width, g.height, 2 * g.out, 2 * out_line, g.out_height() * out_line};
        run_product(job);
    }
    return y;
}

Forward forward(const FusedLayer& layer, const Tensor& x, const FusedExtras& extras,
                const Tensor& stats) {
    const Geometry g = geometry_of(layer, x);
    if (g.upscale == 2 && g.kernel == 3 && g.padding == 1 && g.stride == 1 && !layer.lora &&
        !extras.group_bias.defined() && !extras.residual.defined())
        return {convolve_upscaled(layer, g, x), Tensor()};
    const Tensor prepared = prepare(layer, g, x, stats);
    kernels::Product job = product_job(g, prepared);
    Tensor packed;
    if (layer.packed) {
        packed = layer.packed->get(layer.weight, PackedWeights::Kind::plain);
        job.panels = packed.const_data_ptr<float>();
    } else {
        job.weights = layer.weight.const_data_ptr<float>();
    }
    const Tensor y = result_like(g, x, g.out);
    job.bias = data_or_null(layer.bias);
    const Tensor group_bias =
        extras.group_bias.defined() ? extras.group_bias.contiguous() : Tensor();
    job.group_bias = data_or_null(group_bias);
    if (group_bias.defined()) job.rows_per_group = g.rows() / group_bias.size(0);
    const Tensor residual = extras.residual.defined() ? in_rows(extras.residual) : Tensor();
    job.residual = data_or_null(residual);
    job.c = y.mutable_data_ptr<float>();
    run_product(job);
    return {y, layer.lora ? add_lora(*layer.lora, g, prepared, y) : Tensor()};
}

Tensor make_stats(const FusedLayer& layer, const Tensor& x) {
    if (!layer.norm) return {};
    return at::empty({2, x.size(0), layer.norm->groups}, at::TensorOptions().dtype(at::kFloat));
}

// dL/d(prepared input, without its border), from dy and the weight of a convolution whose geometry
// is g: the same product with the weights transposed and the taps reversed, over dy with a border
// that makes the result as large as the input. Added to `dx` where that is defined.
Tensor input_gradient(const Tensor& weight, PackedWeights& packed_weight, const Geometry& g,
                      const Tensor& dy, const Tensor& add_to = {}) {
    Geometry back;
    back.batch = g.batch;
    back.height = g.out_height();
    back.width = g.out_width();
    back.in = g.out;
    back.out = g.in;
    back.kernel = g.kernel;
    back.padding = g.kernel - 1 - g.padding;
    back.picture = g.picture;
    const Tensor prepared = prepare({}, back, dy, {});
    kernels::Product job = product_job(back, prepared);
    const Tensor packed = packed_weight.get(weight, PackedWeights::Kind::transposed);
    job.panels = packed.const_data_ptr<float>();
    const Tensor dx = add_to.defined() ? add_to : result_like(back, dy, g.in);
    job.c = dx.mutable_data_ptr<float>();
    if (add_to.defined()) job.residual = job.c;
    run_product(job);
    return dx;
}

Tensor weight_gradient(const Tensor& weight, const Geometry& g, const Tensor& prepared,
                       const Tensor& dy) {
    const Kernels& k = *best_kernels();
    const Tensor gradient = at::zeros_like(weight);
    kernels::WeightGradient job;
    job.a = prepared.const_data_ptr<float>();
    job.a_rows = input_rows(g);
    job.segments = g.kernel;
    job.segment_length = g.kernel * g.in;
    job.segment_stride = g.padded_width() * g.in;
    job.rows = g.rows();
    job.outs = g.out;
    job.d = dy.const_data_ptr<float>();
    job.gradient = gradient.mutable_data_ptr<float>();
    constexpr std::int64_t outs = 24;  // a multiple of every kernel's rows
    share((g.out + outs - 1) / outs, at::get_num_threads(), [&](std::int64_t i) {
        k.weight_gradient(job, i * outs, std::min(g.out, (i + 1) * outs));
    });
    return gradient;
}

// dL/d(what the low-rank half has in its middle), in the shape of a picture where dy is one.
Tensor lora_gradient(const Lora& lora, const Geometry& g, const Tensor& dy) {
    const std::int64_t rank = lora.down.size(0);
    const Tensor up = lora.packed_up->get(lora.up, PackedWeights::Kind::transposed);
    const Tensor d = g.picture ? empty_picture(g.batch, rank, g.out_height(), g.out_width())
                               : at::empty({g.rows(), rank}, at::TensorOptions().dtype(at::kFloat));
    matrix_product(dy, g.rows(), up, g.out, d, rank, Into::fresh);
    return d;
}

struct NormGradients {
    Tensor x, weight, bias;
};

NormGradients norm_gradient(const FusedLayer& layer, const Geometry& g, const Tensor& x,
                            const Tensor& stats, const Tensor& d) {
    const Kernels& k = *best_kernels();
    const auto options = at::TensorOptions().dtype(at::kFloat);
    const Tensor weight = at::empty({g.batch, g.in}, options);
    const Tensor bias = at::empty({g.batch, g.in}, options);
    const Tensor dx = at::empty_like(x);
    const kernels::GroupNorm job = norm_job(*layer.norm, g, x, stats, layer.silu);
    const kernels::GroupNormGradient gradient{
        d.const_data_ptr<float>(), dx.mutable_data_ptr<float>(), weight.mutable_data_ptr<float>(),
        bias.mutable_data_ptr<float>()};
    share(norm_parts(job), at::get_num_threads(),
          [&](std::int64_t i) { k.group_norm_gradient(job, gradient, i, i + 1); });
    return {dx, weight.sum(0), bias.sum(0)};
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The layer as a value that autograd's context can hold.
struct SavedLayer : torch::CustomClassHolder {
    FusedLayer layer;
    GroupNorm norm;
};

enum Argument {
    arg_x,
    arg_norm_weight,
    arg_norm_bias,
    arg_weight,
    arg_bias,
    arg_group_bias,
    arg_residual,
    arg_down,
    arg_up
};

// autograd::Function takes no undefined tensor; an empty one stands for it.
Tensor given(const Tensor& t) {
    return t.numel() > 0 ? t : Tensor();
}

std::shared_ptr<const Lora> with_matrices(const Lora& lora, const Tensor& down, const Tensor& up) {
    return std::make_shared<const Lora>(Lora{down, up, lora.packed_down, lora.packed_up});
}

struct FusedFunction : torch::autograd::Function<FusedFunction> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& norm_weight,
                          const Tensor& norm_bias, const Tensor& weight, const Tensor& bias,
                          const Tensor& group_bias, const Tensor& residual, const Tensor& down,
                          const Tensor& up, c10::intrusive_ptr<SavedLayer> saved) {
        FusedLayer layer = saved->layer;
        layer.weight = weight;
        layer.bias = given(bias);
        const Tensor stats = make_stats(layer, x);
        if (layer.lora) layer.lora = with_matrices(*layer.lora, down, up);
        const Forward result =
            pipeline::forward(layer, x, {given(group_bias), given(residual)}, stats);
        context->save_for_backward(
            {x, norm_weight, norm_bias, weight, stats, down, up, result.low});
        context->saved_data["batch"] = group_bias.size(0);
        context->saved_data["layer"] = c10::IValue::make_capsule(
            c10::static_intrusive_pointer_cast<torch::CustomClassHolder>(std::move(saved)));
        return result.y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const variable_list tensors = context->get_saved_variables();
        const auto saved = c10::static_intrusive_pointer_cast<SavedLayer>(
            context->saved_data["layer"].toCapsule());
        FusedLayer layer = saved->layer;
        GroupNorm norm = saved->norm;
        const Tensor &x = tensors[0], &stats = tensors[4];
        layer.weight = tensors[3];
        if (layer.norm) {
            norm.weight = tensors[1];
            norm.bias = tensors[2];
            layer.norm = &norm;
        }
        const Geometry g = geometry_of(layer, x);
        const Tensor dy = in_rows(gradients[0]);
        variable_list result(10);
        if (context->needs_input_grad(arg_residual)) result[arg_residual] = dy;
        const Tensor rows = g.picture ? to_tokens(dy) : dy.reshape({1, -1, g.out});
        if (context->needs_input_grad(arg_bias)) result[arg_bias] = rows.sum({0, 1});
        if (context->needs_input_grad(arg_group_bias))
            result[arg_group_bias] = context->saved_data["batch"].toInt() == 1
                                         ? rows.sum({0, 1}).unsqueeze(0)
                                         : rows.sum(1);
        const bool lora_learns = layer.lora && context->needs_input_grad(arg_down);
        Tensor prepared, low_gradient;
        if (context->needs_input_grad(arg_weight) || lora_learns)
            prepared = prepare(layer, g, x, stats);
        if (context->needs_input_grad(arg_weight))
            result[arg_weight] = weight_gradient(layer.weight, g, prepared, dy);
        Geometry low = g;
        if (layer.lora) {
            low.out = tensors[5].size(0);
            layer.lora = with_matrices(*layer.lora, tensors[5], tensors[6]);
            low_gradient = lora_gradient(*layer.lora, g, dy);
        }
        if (lora_learns) {
            result[arg_down] = weight_gradient(tensors[5], low, prepared, low_gradient);
            result[arg_up] =
                weight_gradient(tensors[6], matrix(g.rows(), low.out, g.out), tensors[7], dy);
        }
        const bool norm_learns = layer.norm && (context->needs_input_grad(arg_norm_weight) ||
                                                context->needs_input_grad(arg_norm_bias));
        if (context->needs_input_grad(arg_x) || norm_learns) {
            PackedWeights once;
            Tensor d = input_gradient(layer.weight, layer.packed ? *layer.packed : once, g, dy);
            if (layer.lora)
                d = input_gradient(layer.lora->down, *layer.lora->packed_down, low, low_gradient,
                                   d);
            if (!layer.norm) {
                result[arg_x] = d;
            } else {
                const NormGradients through = norm_gradient(layer, g, x, stats, d);
                result[arg_x] = through.x;
                result[arg_norm_weight] = through.weight;
                result[arg_norm_bias] = through.bias;
            }
        }
        return result;
    }
};

struct GegluFunction : torch::autograd::Function<GegluFunction> {
    static kernels::Geglu job_of(const Tensor& h) {
        kernels::Geglu job;
        job.h = h.const_data_ptr<float>();
        job.channels = h.size(-1) / 2;
        job.rows = h.numel() / h.size(-1);
        return job;
    }
    static constexpr std::int64_t rows_a_part = 16;
    static std::int64_t parts(const kernels::Geglu& job) {
        return (job.rows + rows_a_part - 1) / rows_a_part;
    }

    static Tensor forward(AutogradContext* context, const Tensor& h) {
        context->save_for_backward({h});
        std::vector<std::int64_t> shape = h.sizes().vec();
        shape.back() /= 2;
        const Tensor y = at::empty(shape, h.options());
        kernels::Geglu job = job_of(h);
        job.y = y.mutable_data_ptr<float>();
        share(parts(job), at::get_num_threads(), [&](std::int64_t i) {
            best_kernels()->geglu(job, i * rows_a_part, std::min(job.rows, (i + 1) * rows_a_part));
        });
        return y;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const Tensor h = context->get_saved_variables()[0];
        const Tensor dy = gradients[0].contiguous();
        const Tensor dh = at::empty_like(h);
        kernels::Geglu job = job_of(h);
        job.dy = dy.const_data_ptr<float>();
        job.dh = dh.mutable_data_ptr<float>();
        share(parts(job), at::get_num_threads(), [&](std::int64_t i) {
            best_kernels()->geglu_gradient(job, i * rows_a_part,
                                           std::min(job.rows, (i + 1) * rows_a_part));
        });
        return {dh};
    }
};

}  // namespace

namespace {

// weight: (out, taps..., in) in memory.
Tensor pack(const Tensor& weight, PackedWeights::Kind kind) {
    const Kernels& k = *best_kernels();
    const std::int64_t outs = weight.size(0), ins = weight.size(1);
    const std::int64_t taps = weight.numel() / (outs * ins);
    const bool transposed = kind == PackedWeights::Kind::transposed;
    const std::int64_t columns = transposed ? ins : outs;
    const std::int64_t depth = taps * (transposed ? outs : ins);
    const Tensor contiguous = weight.contiguous(weight.dim() == 4 ? at::MemoryFormat::ChannelsLast
                                                                  : at::MemoryFormat::Contiguous);
    const float* from = contiguous.const_data_ptr<float>();
    const Tensor packed = at::empty({kernels::packed_size(k.panel_width, columns, depth)},
                                    at::TensorOptions().dtype(at::kFloat));
    float* to = packed.mutable_data_ptr<float>();
    share((columns + k.panel_width - 1) / k.panel_width, at::get_num_threads(),
          [&](std::int64_t p) {
              if (transposed)
                  k.pack_transposed(from, outs, taps, ins, to, p, p + 1);
              else if (kind == PackedWeights::Kind::pairs)
                  k.pack_pairs(from, outs, depth, to, p, p + 1);
              else
                  k.pack(from, outs, depth, to, p, p + 1);
          });
    return packed;
}

// The four 2x2 kernels of a 3x3 one after upsampling by two, packed: (4, packed size). Of three
// taps in a line, the two that fall on one pixel of the small picture are added: the last two at
// even places of the result, the first two at odd ones.
Tensor pack_upscaled(const Tensor& weight) {
    const at::NoGradGuard no_grad;
    const auto joined = [](const Tensor& w, std::int64_t dim, bool odd) {
        const Tensor a = w.narrow(dim, 0, 1), b = w.narrow(dim, 1, 1), c = w.narrow(dim, 2, 1);
        return odd ? at::cat({a + b, c}, dim) : at::cat({a, b + c}, dim);
    };
    std::vector<Tensor> phases;
    for (const bool down : {false, true})
        for (const bool right : {false, true})
            phases.push_back(
                pack(joined(joined(weight, 2, down), 3, right), PackedWeights::Kind::plain));
    return at::stack(phases);
}

}  // namespace

Tensor PackedWeights::get(const Tensor& weight, Kind kind) {
    const std::lock_guard lock(mutex_);
    Panels& panels = panels_[static_cast<int>(kind)];
    const std::uint32_t version =
        weight.is_inference() ? 0 : static_cast<std::uint32_t>(weight._version());
    if (panels.tensor.defined() && panels.address == weight.const_data_ptr() &&
        panels.version == version)
        return panels.tensor;
    const Tensor packed = kind == Kind::upscaled ? pack_upscaled(weight) : pack(weight, kind);
    panels = {packed, weight.storage(), weight.const_data_ptr(), version};
    return packed;
}

bool can_fuse(const Tensor& x, const FusedLayer& layer) {
    if (layer.lora && layer.lora->down.scalar_type() != at::kFloat) return false;
    const auto fits = [](const Tensor& t) {
        return !t.defined() || (t.scalar_type() == at::kFloat && t.device().is_cpu());
    };
    if (!best_kernels() || !fits(x) || !fits(layer.weight) || x.numel() == 0) return false;
    if (layer.weight.dim() == 4 && x.dim() == 4 && layer.weight.size(2) != layer.weight.size(3))
        return false;
    if (layer.norm && (x.dim() != 4 || layer.upscale != 1 ||
                       kernels::norm_block(layer.weight.size(1), layer.norm->groups) == 0))
        return false;
    const std::int64_t kernel = x.dim() == 4 && layer.weight.dim() == 4 ? layer.weight.size(2) : 1;
    // The backward is written for convolutions that keep the size.
    const bool learns =
        at::GradMode::is_enabled() && (x.requires_grad() || layer.weight.requires_grad() ||
                                       (layer.lora && layer.lora->down.requires_grad()));
    return !learns || (layer.stride == 1 && layer.upscale == 1 && 2 * layer.padding == kernel - 1);
}

Tensor run_fused(const FusedLayer& layer, const Tensor& x, const FusedExtras& extras) {
    const Tensor input = in_rows(x);
    if (!at::GradMode::is_enabled())
        return forward(layer, input, extras, make_stats(layer, input)).y;
    auto saved = c10::make_intrusive<SavedLayer>();
    saved->layer = layer;
    const Tensor none = at::empty({0}, at::TensorOptions().dtype(at::kFloat));
    Tensor norm_weight = none, norm_bias = none;
    if (layer.norm) {
        saved->norm = *layer.norm;
        saved->layer.norm = &saved->norm;
        norm_weight = layer.norm->weight;
        norm_bias = layer.norm->bias;
        saved->norm.weight = saved->norm.weight.detach();
        saved->norm.bias = saved->norm.bias.detach();
    }
    const Tensor down = layer.lora ? layer.lora->down : none;
    const Tensor up = layer.lora ? layer.lora->up : none;
    if (layer.lora) saved->layer.lora = with_matrices(*layer.lora, Tensor(), Tensor());
    // Tensors go through autograd's own hands alone: here they would make a cycle.
    saved->layer.weight = Tensor();
    saved->layer.bias = Tensor();
    const auto or_none = [&](const Tensor& t) { return t.defined() ? t : none; };
    return FusedFunction::apply(input, norm_weight, norm_bias, layer.weight, or_none(layer.bias),
                                or_none(extras.group_bias), or_none(extras.residual), down, up,
                                saved);
}

Tensor fused_geglu(const Tensor& h) {
    return GegluFunction::apply(h.contiguous());
}

Tensor product_geglu(const FusedLayer& layer, const Tensor& x) {
    const Tensor input = x.contiguous();
    const Geometry g = geometry_of(layer, input);
    kernels::Product job = product_job(g, input);
    PackedWeights once;
    const Tensor packed =
        (layer.packed ? *layer.packed : once).get(layer.weight, PackedWeights::Kind::pairs);
    job.panels = packed.const_data_ptr<float>();
    job.bias = data_or_null(layer.bias);
    job.activation = kernels::Activation::geglu;
    const Tensor y = result_like(g, input, g.out / 2);
    job.c = y.mutable_data_ptr<float>();
    job.c_rows = dense_rows(g.rows(), g.out / 2);
    run_product(job);
    return y;
}

Tensor fused_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
    const Tensor input = x.contiguous();
    const Tensor y = at::empty_like(input);
    kernels::LayerNorm job;
    job.x = input.const_data_ptr<float>();
    job.channels = input.size(-1);
    job.rows = input.numel() / job.channels;
    job.eps = eps;
    job.weight = weight.const_data_ptr<float>();
    job.bias = bias.const_data_ptr<float>();
    job.y = y.mutable_data_ptr<float>();
    constexpr std::int64_t rows = 64;
    share((job.rows + rows - 1) / rows, at::get_num_threads(), [&](std::int64_t i) {
        best_kernels()->layer_norm(job, i * rows, std::min(job.rows, (i + 1) * rows));
    });
    return y;
}

}  // namespace keepsake::pipeline
