#include "optimize/training/adam.h"

#include <ATen/core/grad_mode.h>

#include <utility>

#include "pipeline/error.h"

namespace keepsake::optimize {
namespace {

// What lies in another order than its dimensions' (channels_last) as the row of numbers that it is
// in memory: the fused kernel would make a copy first.
std::vector<Tensor> as_they_lie(const std::vector<Tensor>& tensors) {
    std::vector<Tensor> flat;
    flat.reserve(tensors.size());
    for (const Tensor& t : tensors)
        flat.push_back(t.is_contiguous() || !t.is_non_overlapping_and_dense()
                           ? t
                           : t.as_strided({t.numel()}, {1}));
    return flat;
}

}  // namespace

Adam::Adam(TensorMap parameters, AdamOptions options)
    : options_(options), step_(at::zeros({}, at::TensorOptions().dtype(at::kFloat))) {
    const at::NoGradGuard no_grad;
    for (auto& [name, parameter] : parameters) {
        names_.push_back(name);
        exp_avg_.push_back(at::zeros_like(parameter));
        exp_avg_sq_.push_back(at::zeros_like(parameter));
        step_ = step_.to(parameter.device());
        parameters_.push_back(std::move(parameter));
    }
}

void Adam::step(double learning_rate) {
    const at::NoGradGuard no_grad;
    std::vector<Tensor> gradients;
    gradients.reserve(parameters_.size());
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        Tensor gradient = parameters_[i].grad();
        if (!gradient.defined()) throw Error(names_[i], "has no gradient to learn from");
        // The fused kernel walks raw memory: parameter and gradient must lie alike.
        if (gradient.strides() != parameters_[i].strides()) {
            gradient = at::empty_like(parameters_[i]).copy_(gradient);
        }
        gradients.push_back(std::move(gradient));
    }
    step_ += 1;  // the kernel's bias correction counts from one
    const std::vector<Tensor> steps(parameters_.size(), step_);
    at::_fused_adam_(as_they_lie(parameters_), as_they_lie(gradients), as_they_lie(exp_avg_),
                     as_they_lie(exp_avg_sq_), {}, steps, learning_rate, options_.beta1,
                     options_.beta2, /*weight_decay=*/0.0, options_.eps, /*amsgrad=*/false,
                     /*maximize=*/false);
    for (Tensor& parameter : parameters_) {
        parameter.mutable_grad() = Tensor();
        // The fused kernel writes without saying so, and layers keep copies of their weights that
        // they make anew when the version counts on.
        parameter.unsafeGetTensorImpl()->bump_version();
    }
}

TensorMap Adam::state() const {
    TensorMap state;
    for (std::size_t i = 0; i < names_.size(); ++i) {
        state[names_[i] + ".exp_avg"] = exp_avg_[i];
        state[names_[i] + ".exp_avg_sq"] = exp_avg_sq_[i];
    }
    state["step"] = step_;
    return state;
}

void Adam::load_state(const TensorMap& state) {
    const at::NoGradGuard no_grad;
    const auto load = [&](Tensor& into, const std::string& name) {
        const auto found = state.find(name);
        if (found == state.end()) throw Error("optimiser state", "has no tensor " + name);
        if (found->second.sizes() != into.sizes()) {
            throw Error("optimiser state", name + " does not have the shape of its parameter");
        }
        into.copy_(found->second);
    };
    for (std::size_t i = 0; i < names_.size(); ++i) {
        load(exp_avg_[i], names_[i] + ".exp_avg");
        load(exp_avg_sq_[i], names_[i] + ".exp_avg_sq");
    }
    load(step_, "step");
}

}  // namespace keepsake::optimize
