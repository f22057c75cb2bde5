// Adam (Kingma & Ba, arXiv 1412.6980), with a state that can be saved.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "pipeline/files/safetensors.h"

namespace keepsake::optimize {

using at::Tensor;
using pipeline::TensorMap;

struct AdamOptions {
    double beta1 = 0.9;  // torch.optim.Adam's, which Imagic's implementations use unchanged
    double beta2 = 0.999;
    double eps = 1e-8;
};

class Adam {
  public:
    // parameters: leaf tensors that require a gradient; their names key the saved state.
    Adam(TensorMap parameters, AdamOptions options);

    // One update with each parameter's .grad(), which is then cleared. Same arithmetic as
    // torch.optim.Adam without weight decay.
    void step(double learning_rate);

    // State by name: "<parameter>.exp_avg", "<parameter>.exp_avg_sq", and "step" (1) float32.
    TensorMap state() const;
    // Throws Error naming a tensor that is missing or misshapen.
    void load_state(const TensorMap& state);

  private:
    AdamOptions options_;
    std::vector<std::string> names_;
    std::vector<Tensor> parameters_, exp_avg_, exp_avg_sq_;
    Tensor step_;  // () float32: updates done
};

}  // namespace keepsake::optimize
