#include "pipeline/networks/time_biases.h"

namespace keepsake::pipeline {

std::vector<at::Tensor> TimeBiases::get(double timestep, std::uint64_t versions,
                                        const std::function<std::vector<at::Tensor>()>& make) {
    constexpr std::size_t most = 256;  // timesteps: some 20 MB for Stable Diffusion
    const std::lock_guard lock(mutex_);
    if (versions != versions_ || kept_.size() >= most) kept_.clear();
    versions_ = versions;
    const auto found = kept_.find(timestep);
    if (found != kept_.end()) return found->second;
    return kept_[timestep] = make();
}

}  // namespace keepsake::pipeline
