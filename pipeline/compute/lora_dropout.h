// Dropout of a LoRA while it learns: of the numbers in its middle, which `down` makes, a share is
// left out by chance and the others are as much larger (network_dropout of kohya's sd-scripts,
// networks/lora.py).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace keepsake::pipeline {

using at::Tensor;

// The pass of a network that is under way, of which all of its layers must know. It stays until the
// pass has been differentiated.
struct LoraPass {
    // A number for each sample of the batch, by which is drawn; none: nothing is left out.
    std::vector<std::uint64_t> samples;
};

struct LoraDropout {
    double probability = 0;   // from 0 to below 1
    std::uint64_t layer = 0;  // tells the network's layers apart
    std::shared_ptr<LoraPass> pass;
};

// What stays of a layer's middle: (rows, rank) bool, a sample's rows together; undefined where
// nothing is left out. By the numbers of sample and layer alone, so that it is the same in whatever
// parts a batch is computed, and when a pass is computed again. Throws Error where the rows are not
// as many for each sample.
Tensor what_stays(const LoraDropout& dropout, std::int64_t rows, std::int64_t rank);

}  // namespace keepsake::pipeline
