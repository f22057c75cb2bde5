// What is done to gradients and weights before the optimiser's step.
#pragma once

#include "optimize/training/adam.h"

namespace keepsake::optimize {

// Scales all gradients by max_norm / (norm + 1e-6), where that is below 1, norm being the Euclidean
// norm of all of them together (torch.nn.utils.clip_grad_norm_). Returns the norm before.
// Parameters without a gradient are passed over.
double clip_gradients(const TensorMap& parameters, double max_norm);

// Takes `share` off each parameter. With share = rate * weight decay before Adam's step it is AdamW
// (Loshchilov & Hutter, arXiv 1711.05101, algorithm 2), as torch.optim.AdamW computes it.
void decay_weights(const TensorMap& parameters, double share);

}  // namespace keepsake::optimize
