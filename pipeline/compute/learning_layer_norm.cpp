#include "pipeline/compute/learning_layer_norm.h"

#include <torch/csrc/autograd/custom_function.h>

#include <vector>

#include "pipeline/compute/fused_layers.h"
#include "pipeline/compute/fused_products.h"
#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t rows_a_part = 64;

struct LayerNormFunction : torch::autograd::Function<LayerNormFunction> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                          const Tensor& bias, double eps) {
        const Tensor input = x.contiguous();
        context->save_for_backward({input, weight, bias});
        context->saved_data["eps"] = eps;
        return fused_layer_norm(input, weight, bias, eps);
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tensor &x = saved[0], &weight = saved[1], &bias = saved[2];
        const Tensor dy = gradients[0].contiguous();
        const kernels::LayerNorm job =
            fused::layer_norm_job(x, weight, bias, context->saved_data["eps"].toDouble());
        const bool learns = context->needs_input_grad(1) || context->needs_input_grad(2);
        Tensor dx;
        if (context->needs_input_grad(0)) dx = at::empty_like(x);
        const std::int64_t parts = (job.rows + rows_a_part - 1) / rows_a_part;
        std::vector<float> sums(static_cast<std::size_t>(learns ? parts * 2 * job.channels : 0));
        fused::share_runs(job.rows, rows_a_part, [&](std::int64_t begin, std::int64_t end) {
            kernels::LayerNormGradient gradient;
            gradient.dy = dy.const_data_ptr<float>();
            if (dx.defined()) gradient.dx = dx.mutable_data_ptr<float>();
            if (learns) gradient.sums = sums.data() + begin / rows_a_part * 2 * job.channels;
            kernels::best_kernels()->layer_norm_gradient(job, gradient, begin, end);
        });
        if (!learns) return {dx, Tensor(), Tensor(), Tensor()};
        const Tensor both = at::zeros({2, job.channels}, x.options());
        float* total = both.mutable_data_ptr<float>();
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(sums.size()); ++i)
            total[i % (2 * job.channels)] += sums[static_cast<std::size_t>(i)];
        return {dx, both[0], both[1], Tensor()};
    }
};

}  // namespace

Tensor learning_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
    return LayerNormFunction::apply(x, weight, bias, eps);
}

}  // namespace keepsake::pipeline
