// What of a block's weights and LoRA learns: the tensors that require a gradient.
#pragma once

#include <vector>

#include "pipeline/networks/layers.h"
#include "pipeline/networks/transformer.h"

namespace keepsake::pipeline {

// Each adds its own to `learning`. A resnet's `time` is left out: the U-Net computes it for itself.
void add_learning(const Resnet& resnet, std::vector<Tensor>& learning);
void add_learning(const Transformer& transformer, std::vector<Tensor>& learning);

}  // namespace keepsake::pipeline
