// When training recomputes activations (pipeline/compute/checkpointed.h): where memory is too short
// to keep them. It changes the gradients by rounding alone, and the time of a step by about a
// third.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pipeline/compute/checkpointed.h"

namespace keepsake::optimize {

// automatic: where a step would not fit into the memory that is free.
enum class Checkpointing { automatic, on, off };

// What a training step takes beside the weights and the optimiser's state, in bytes.
struct StepMemory {
    std::int64_t gradients = 0;
    std::int64_t activations = 0;  // all that is kept (pipeline/networks/activation_bytes.h)
};

// free: bytes that the device has left when the first step begins, or none where that is unknown:
// then they are kept.
pipeline::Activations choose_activations(Checkpointing checkpointing,
                                         std::optional<std::int64_t> free, const StepMemory& step);

// One line for the user: what is free, what the step would take, what is done about it.
std::string describe_recomputing(std::int64_t free, const StepMemory& step);

}  // namespace keepsake::optimize
