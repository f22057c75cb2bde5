#include "pipeline/compute/fused_layers.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/compute/fused_products.h"

namespace keepsake::pipeline {

using namespace fused;
using kernels::best_kernels;

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The layer as a value that autograd's context can hold.
struct SavedLayer : torch::CustomClassHolder {
    FusedLayer layer;
    GroupNormWeights norm;
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
    auto with = std::make_shared<Lora>(lora);
    with->down = down;
    with->up = up;
    return with;
}

struct FusedFunction : torch::autograd::Function<FusedFunction> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& norm_weight,
                          const Tensor& norm_bias, const Tensor& weight, const Tensor& bias,
                          const Tensor& group_bias, const Tensor& residual, const Tensor& down,
                          const Tensor& up, c10::intrusive_ptr<SavedLayer> saved) {
        FusedLayer layer = saved->layer;
        layer.weight = weight;
        layer.bias = given(bias);
        const Tensor stats = norm_stats(layer.norm, x);
        Tensor stays;
        if (layer.lora) {
            layer.lora = with_matrices(*layer.lora, down, up);
            stays = what_stays(layer.lora->dropout, geometry_of(layer, x).rows(), down.size(0));
        }
        const Forward result =
            fused::forward(layer, x, {given(group_bias), given(residual)}, stats, stays);
        context->save_for_backward(
            {x, norm_weight, norm_bias, weight, stats, down, up, result.low, stays});
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
        GroupNormWeights norm = saved->norm;
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
            result[arg_weight] = weight_gradient(layer.arithmetic, layer.weight, g, prepared, dy);
        Geometry low = g;
        if (layer.lora) {
            low.out = tensors[5].size(0);
            layer.lora = with_matrices(*layer.lora, tensors[5], tensors[6]);
            low_gradient = lora_gradient(*layer.lora, g, dy, tensors[8]);
        }
        if (lora_learns) {
            result[arg_down] =
                weight_gradient(Arithmetic::float32, tensors[5], low, prepared, low_gradient);
            result[arg_up] = weight_gradient(Arithmetic::float32, tensors[6],
                                             matrix(g.rows(), low.out, g.out), tensors[7], dy);
        }
        const bool norm_learns = layer.norm && (context->needs_input_grad(arg_norm_weight) ||
                                                context->needs_input_grad(arg_norm_bias));
        if (context->needs_input_grad(arg_x) || norm_learns) {
            PackedWeights once;
            Tensor d = input_gradient(layer.arithmetic, layer.weight,
                                      layer.packed ? *layer.packed : once, g, dy);
            if (layer.lora)
                d = input_gradient(Arithmetic::float32, layer.lora->down, *layer.lora->packed_down,
                                   low, low_gradient, d);
            if (!layer.norm) {
                result[arg_x] = d;
            } else {
                const NormGradients through = norm_gradient(
                    layer, g, x, stats, d, norm_learns ? NormLearns::yes : NormLearns::no);
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

    static Tensor forward(AutogradContext* context, const Tensor& h) {
        context->save_for_backward({h});
        std::vector<std::int64_t> shape = h.sizes().vec();
        shape.back() /= 2;
        const Tensor y = at::empty(shape, h.options());
        kernels::Geglu job = job_of(h);
        job.y = y.mutable_data_ptr<float>();
        share_runs(job.rows, rows_a_part, [&](std::int64_t begin, std::int64_t end) {
            best_kernels()->geglu(job, begin, end);
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
        share_runs(job.rows, rows_a_part, [&](std::int64_t begin, std::int64_t end) {
            best_kernels()->geglu_gradient(job, begin, end);
        });
        return {dh};
    }
};

}  // namespace

double middle_factor(const Lora& lora, bool dropped) {
    return dropped ? lora.scale / (1 - lora.dropout.probability) : lora.scale;
}

bool runs_on_kernels(const Tensor& t) {
    return best_kernels() && t.scalar_type() == at::kFloat && t.device().is_cpu();
}

bool can_fuse(const Tensor& x, const FusedLayer& layer) {
    if (!runs_on_kernels(x) || !is_stored_weight(layer.weight) || x.numel() == 0) return false;
    if (layer.lora && !runs_on_kernels(layer.lora->down)) return false;
    if (layer.weight.dim() == 4 && x.dim() == 4 && layer.weight.size(2) != layer.weight.size(3))
        return false;
    if (layer.norm && (x.dim() != 4 || layer.upscale != 1 ||
                       kernels::norm_block(layer.weight.size(1), layer.norm->groups) == 0))
        return false;
    const std::int64_t kernel = x.dim() == 4 && layer.weight.dim() == 4 ? layer.weight.size(2) : 1;
    // The backward is written for convolutions that keep the size, but for a stride.
    const bool learns =
        at::GradMode::is_enabled() && (x.requires_grad() || layer.weight.requires_grad() ||
                                       (layer.lora && layer.lora->down.requires_grad()));
    return !learns || (layer.upscale == 1 && 2 * layer.padding == kernel - 1);
}

Tensor run_fused(const FusedLayer& layer, const Tensor& x, const FusedExtras& extras) {
    const Tensor input = in_rows(x);
    if (!at::GradMode::is_enabled())
        return forward(layer, input, extras, norm_stats(layer.norm, input)).y;
    auto saved = c10::make_intrusive<SavedLayer>();
    saved->layer = layer;
    saved->layer.arithmetic = learning_arithmetic();
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

std::vector<Tensor> run_together(const std::vector<FusedLayer>& layers, const Tensor& x) {
    const Tensor input = in_rows(x);
    std::vector<kernels::Product> jobs;
    std::vector<Tensor> results, packed;
    const kernels::Kernels& k = kernels_of(layers[0], geometry_of(layers[0], input));
    for (const FusedLayer& layer : layers) {
        const Geometry g = geometry_of(layer, input);
        kernels::Product& job = jobs.emplace_back(product_job(g, input));
        packed.push_back(use_weight(k, layer, job));
        job.bias = data_or_null(layer.bias);
        job.c = results.emplace_back(result_like(g, input, g.out)).mutable_data_ptr<float>();
    }
    run_products(k, jobs);
    return results;
}

Tensor fused_geglu(const Tensor& h) {
    return GegluFunction::apply(h.contiguous());
}

Tensor product_geglu(const FusedLayer& layer, const Tensor& x) {
    const Tensor input = x.contiguous();
    const Geometry g = geometry_of(layer, input);
    kernels::Product job = product_job(g, input);
    const kernels::Kernels& k = kernels_of(layer, g);
    const Tensor packed = panels_of(k, layer, PackedWeights::Kind::pairs);
    job.panels = packed.const_data_ptr();
    job.bias = data_or_null(layer.bias);
    job.activation = kernels::Activation::geglu;
    const Tensor y = result_like(g, input, g.out / 2);
    job.c = y.mutable_data_ptr<float>();
    job.c_rows = dense_rows(g.rows(), g.out / 2);
    run_product(k, job);
    return y;
}

bool can_fuse(const Tensor& x, const GroupNormWeights& norm) {
    return runs_on_kernels(x) && runs_on_kernels(norm.weight) && x.dim() == 4 && x.numel() > 0 &&
           kernels::norm_block(x.size(1), norm.groups) != 0;
}

Tensor fused_group_norm(const GroupNormWeights& norm, const Tensor& x) {
    return normalise(norm, in_rows(x));
}

Tensor fused_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
    const Tensor input = x.contiguous();
    const Tensor y = at::empty_like(input);
    kernels::LayerNorm job = layer_norm_job(input, weight, bias, eps);
    job.y = y.mutable_data_ptr<float>();
    constexpr std::int64_t rows = 64;
    share_runs(job.rows, rows, [&](std::int64_t begin, std::int64_t end) {
        best_kernels()->layer_norm(job, begin, end);
    });
    return y;
}

Tensor to_tokens(const Tensor& x) {
    return x.permute({0, 2, 3, 1}).reshape({x.size(0), x.size(2) * x.size(3), x.size(1)});
}

Tensor from_tokens(const Tensor& tokens, const Tensor& x) {
    return tokens.reshape({tokens.size(0), x.size(2), x.size(3), tokens.size(2)})
        .permute({0, 3, 1, 2});
}

}  // namespace keepsake::pipeline
