#include "optimize/training/clipping.h"

#include <ATen/core/grad_mode.h>

#include <vector>

namespace keepsake::optimize {

double clip_gradients(const TensorMap& parameters, double max_norm) {
    const at::NoGradGuard no_grad;
    std::vector<Tensor> gradients, norms;
    for (const auto& [name, parameter] : parameters) {
        if (!parameter.grad().defined()) continue;
        gradients.push_back(parameter.grad());
        norms.push_back(parameter.grad().to(at::kFloat).norm());
    }
    if (norms.empty()) return 0;
    const Tensor norm = at::stack(norms).norm();
    const Tensor scale = (max_norm / (norm + 1e-6)).clamp_max(1);
    // Times 1 nothing changes. What is not finite goes on, for the loss to tell of.
    if (scale.item<double>() == 1) return norm.item<double>();
    for (Tensor& gradient : gradients) gradient.mul_(scale);
    return norm.item<double>();
}

void decay_weights(const TensorMap& parameters, double share) {
    const at::NoGradGuard no_grad;
    for (const auto& [name, parameter] : parameters) {
        Tensor weights = parameter;
        weights.mul_(1 - share);
    }
}

}  // namespace keepsake::optimize
