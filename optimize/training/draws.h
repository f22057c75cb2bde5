// What a step draws: timesteps and noise, by the seed, the recipe and the step alone, so that a
// training that was stopped draws what an unbroken one would.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace keepsake::optimize {

using at::Tensor;

// Where a step's (timestep, noise) pairs come from. independent: uniform timesteps, normal noise,
// as in the papers. stratified: the timesteps of the whole stage are one low-discrepancy sequence
// (multiples of the golden ratio, modulo 1), and the second half of a batch of even size has the
// first half's noise negated (antithetic variates): the same expectation, less variance a step.
enum class Draws { independent, stratified };

// Who draws: stages with one seed draw different numbers. The values are part of what a seed means.
enum class Stream : std::uint64_t { imagic_embedding = 1, imagic_finetune = 2 };

// A CPU generator whose numbers depend on the three alone. step: from 0; negative ones are for what
// is drawn once for a stage (-1: the start of the stratified timesteps; -2: a LoRA).
at::Generator step_generator(std::uint64_t seed, Stream stream, std::int64_t step);

// (timestep, noise) pairs.
struct Draw {
    Tensor timesteps;  // (B) int64, from 0 to num_train_timesteps - 1
    Tensor noise;      // (B, C, h, w) float32

    std::int64_t size() const { return timesteps.size(0); }
    // The pairs from `begin` up to, and without, `end` (or the last): views.
    Draw part(std::int64_t begin, std::int64_t end) const;
};

struct DrawRequest {
    std::uint64_t seed = 0;
    Stream stream = Stream::imagic_embedding;
    Draws draws = Draws::independent;
    std::int64_t batch_size = 1;
    std::int64_t num_train_timesteps = 1000;
    std::vector<std::int64_t> sample_shape;  // (C, h, w) of one sample
    at::Device device = at::kCPU;
};

// Those of one step. Drawn on the CPU, so that every device trains on the same numbers.
Draw draw_pairs(const DrawRequest& request, std::int64_t step);

// A fixed set of 16 pairs to judge a training by: the timesteps are the middles of equal parts of
// [0, num_train_timesteps), the noise is of a constant seed.
Draw evaluation_pairs(const std::vector<std::int64_t>& sample_shape,
                      std::int64_t num_train_timesteps, at::Device device);

}  // namespace keepsake::optimize
