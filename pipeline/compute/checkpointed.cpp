#include "pipeline/compute/checkpointed.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <utility>

namespace keepsake::pipeline {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The block as a value that autograd's context can hold.
struct SavedBlock : torch::CustomClassHolder {
    Block block;
    std::size_t inputs = 0;  // the first of the function's tensors; the others are what learns
};

struct CheckpointedFunction : torch::autograd::Function<CheckpointedFunction> {
    // What learns is an argument, too, though the block has its own hold of it: so the result needs
    // a gradient where no input does, and whoever asked for gradients decides where theirs go. A
    // TensorList, because a vector would count as no tensor at all.
    static Tensor forward(AutogradContext* context, at::TensorList tensors,
                          c10::intrusive_ptr<SavedBlock> saved) {
        context->save_for_backward(tensors.vec());
        // With gradients, though its graph is thrown away: without, layers have other kernels, and
        // the blocks behind would see what differs in the last digits.
        std::vector<Tensor> inputs;
        for (const Tensor& input : tensors.slice(0, saved->inputs))
            inputs.push_back(input.detach());
        const at::AutoGradMode with_gradients(true);
        const Tensor result = saved->block(inputs).detach();
        context->saved_data["block"] = c10::IValue::make_capsule(
            c10::static_intrusive_pointer_cast<torch::CustomClassHolder>(std::move(saved)));
        return result;
    }

    static variable_list backward(AutogradContext* context, variable_list gradients) {
        const auto saved = c10::static_intrusive_pointer_cast<SavedBlock>(
            context->saved_data["block"].toCapsule());
        variable_list tensors = context->get_saved_variables();
        variable_list all(tensors.size() + 1), wanted;  // one more: SavedBlock is an argument
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            const bool wants = context->needs_input_grad(i);
            // Cut off from what came before the block: that has its own turn.
            if (i < saved->inputs) tensors[i] = tensors[i].detach().set_requires_grad(wants);
            if (wants) wanted.push_back(tensors[i]);
        }
        tensors.resize(saved->inputs);
        variable_list found;
        {
            const at::AutoGradMode with_gradients(true);
            const Tensor result = saved->block(tensors);
            found = torch::autograd::grad({result}, wanted, gradients);
        }
        auto next = found.begin();
        for (std::size_t i = 0; i + 1 < all.size(); ++i)
            if (context->needs_input_grad(i)) all[i] = std::move(*next++);
        return all;
    }
};

}  // namespace

Tensor checkpointed(const Block& block, const std::vector<Tensor>& inputs,
                    const std::vector<Tensor>& learning) {
    std::vector<Tensor> tensors = inputs;
    tensors.insert(tensors.end(), learning.begin(), learning.end());
    const auto learns = [](const Tensor& t) { return t.requires_grad(); };
    if (!at::GradMode::is_enabled() || std::ranges::none_of(tensors, learns)) return block(inputs);
    auto saved = c10::make_intrusive<SavedBlock>();
    saved->block = block;
    saved->inputs = inputs.size();
    return CheckpointedFunction::apply(at::TensorList(tensors), std::move(saved));
}

}  // namespace keepsake::pipeline
