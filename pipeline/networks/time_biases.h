// What a U-Net's resnets add for a timestep, kept from one sampling to the next: all renders of a
// tuned session step through the same timesteps.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace keepsake::pipeline {

class TimeBiases {
  public:
    using Key = std::pair<double, std::optional<double>>;  // timestep, and guidance where told
    // The biases of `key`, by `make` where there are none. `versions` tells when a weight that they
    // come from was written; what was kept before that is dropped.
    std::vector<at::Tensor> get(const Key& key, std::uint64_t versions,
                                const std::function<std::vector<at::Tensor>()>& make);

  private:
    std::mutex mutex_;
    std::map<Key, std::vector<at::Tensor>> kept_;
    std::uint64_t versions_ = 0;
};

}  // namespace keepsake::pipeline
