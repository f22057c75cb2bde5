#include "pipeline/networks/time_biases.h"

namespace keepsake::pipeline {

std::vector<at::Tensor> TimeBiases::get(const Key& key, std::uint64_t versions,
                                        const std::function<std::vector<at::Tensor>()>& make) {
    constexpr std::size_t most = 256;  // timesteps: some 20 MB for Stable Diffusion
    const std::lock_guard lock(mutex_);
    if (versions != versions_ || kept_.size() >= most) kept_.clear();
    versions_ = versions;
    const auto found = kept_.find(key);
    if (found != kept_.end()) return found->second;
    return kept_[key] = make();
}

}  // namespace keepsake::pipeline
