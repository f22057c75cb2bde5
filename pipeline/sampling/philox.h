// CUDA's random numbers on any processor: what torch.randn draws on a graphics card, and so what a
// seed means to programs that draw their noise there (stable-diffusion-webui's default).
//
// Philox 4x32 with ten rounds: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1,
// 2, 3", SC'11; and Box and Muller's transform as cuRAND has it.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>

namespace keepsake::pipeline {

// One block of random bits: the counter under the key.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::uint64_t key);

// What torch.randn(shape, device="cuda") draws as the `draw`-th call (from 0) after
// torch.manual_seed(seed): float32 on CPU, for fewer than 2^32 numbers. The numbers of small
// tensors are meant, as latents are: a graphics card draws large ones in another order.
at::Tensor philox_randn(at::IntArrayRef shape, std::uint64_t seed, std::uint32_t draw = 0);

}  // namespace keepsake::pipeline
