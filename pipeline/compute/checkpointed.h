// Gradient checkpointing (Chen et al., arXiv 1604.06174): a block keeps its inputs alone, and its
// backward computes the rest again. Costs one more forward of the block and saves what its layers
// would have kept.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

namespace keepsake::pipeline {

using at::Tensor;

// Whether a forward pass that will be differentiated keeps what its layers need for that, or its
// blocks' inputs alone.
enum class Activations { kept, recomputed };

// A differentiable function of its inputs, and of tensors of its own that may learn. Called again
// in the backward pass, so it must give the same each time and own what it works with.
using Block = std::function<Tensor(const std::vector<Tensor>& inputs)>;

// block(inputs), which needs a gradient where `inputs` or `learning` do. learning: all tensors
// beside the inputs that the block depends on and that learn; whoever asks for gradients gets
// theirs as if the block had been called directly, to rounding. Where gradients are off,
// block(inputs). Gradients of gradients are not there. Throws what the block throws.
Tensor checkpointed(const Block& block, const std::vector<Tensor>& inputs,
                    const std::vector<Tensor>& learning);

}  // namespace keepsake::pipeline
