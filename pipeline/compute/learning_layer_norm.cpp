#include "pipeline/compute/learning_layer_norm.h"

#include <torch/csrc/autograd/custom_function.h>

namespace keepsake::pipeline {

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct LayerNormFunction : torch::autograd::Function<LayerNormFunction> {
    static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                          const Tensor& bias, double eps) {
        const Tensor input = x.contiguous();
        const auto [y, mean, rstd] =
            at::native_layer_norm(input, weight.sizes(), weight, bias, eps);
        context->save_for_backward({input, weight, bias, mean, rstd});
        return y;
    }

    static variable_list backward(AutogradContext* context, const variable_list& gradients) {
        const variable_list saved = context->get_saved_variables();
        const Tensor &x = saved[0], &weight = saved[1], &bias = saved[2];
        const Tensor &mean = saved[3], &rstd = saved[4];  // (..., 1)
        const Tensor dy = gradients[0].contiguous();
        Tensor dx, dweight, dbias;
        if (context->needs_input_grad(0)) {
            dx = std::get<0>(at::native_layer_norm_backward(dy, x, weight.sizes(), mean, rstd,
                                                            weight, bias, {true, false, false}));
        }
        const std::int64_t channels = weight.size(0);
        if (context->needs_input_grad(1)) {
            const Tensor normed = (x - mean).mul_(rstd);
            dweight = normed.mul_(dy).reshape({-1, channels}).sum(0);
        }
        if (context->needs_input_grad(2)) dbias = dy.reshape({-1, channels}).sum(0);
        return {dx, dweight, dbias, Tensor()};
    }
};

}  // namespace

Tensor learning_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
    return LayerNormFunction::apply(x, weight, bias, eps);
}

}  // namespace keepsake::pipeline
