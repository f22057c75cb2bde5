// Several processes that train one network together, on one machine or on many (data parallel):
// each takes a part of every step's samples, the gradients are added up, and all take the same
// step. What is drawn depends on the step alone, so that any number of them computes what one
// would, to rounding.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string_view>
#include <vector>

#include "optimize/training/adam.h"
#include "pipeline/error.h"

namespace keepsake::optimize {

// One of them, and its way to the others. As it is made: a process alone, to which nothing here
// costs anything. All ranks must call `sum` and `broadcast` in the same order with the same shapes;
// both may throw LostRanks.
struct Ranks {
    std::int64_t rank = 0;  // of this process; 0 writes the files and does the talking
    std::int64_t count = 1;
    // In place, over all ranks, with the same bits on each: a contiguous CPU tensor of float32,
    // float64 or int64.
    std::function<void(const Tensor&)> sum;
    // Rank 0's bytes come into a contiguous CPU tensor of all others.
    std::function<void(const Tensor&)> broadcast;
    std::stop_token stop;  // this process was asked to stop, which stops them all after a step
};

// Another process has ended or does not answer. A training stands as of its last finished step.
struct LostRanks : Cancelled {};

inline bool is_first(const Ranks& ranks) {
    return ranks.rank == 0;
}

// What a rank takes of `count` samples: from `begin` up to, and without, `end`. All parts together
// are all samples; of fewer samples than ranks some are empty.
struct Part {
    std::int64_t begin = 0, end = 0;
};
Part part_of(const Ranks& ranks, std::int64_t count);

// The gradients of `learns` become their sums over all ranks, in buckets of some 25 MiB (as
// PyTorch's DistributedDataParallel: Li et al., arXiv 2006.15704). Where there is none, it is 0.
void sum_gradients(const Ranks& ranks, const TensorMap& learns);

// The sums over all ranks, each by itself.
std::vector<double> sums(const Ranks& ranks, std::vector<double> values);

// Rows of all ranks, (count, D), those of this one, `own`, from row `begin` on and differentiable.
Tensor gather_rows(const Ranks& ranks, const Tensor& own, std::int64_t begin, std::int64_t count);

// Rank 0's values come to all: in place.
void broadcast(const Ranks& ranks, const TensorMap& tensors);
void broadcast(const Ranks& ranks, std::int64_t& value);

// Returns when all ranks are there.
void wait_for_all(const Ranks& ranks);

// Throws Error, "what: why", on ranks whose value is not that of rank 0.
void require_same(const Ranks& ranks, std::int64_t value, std::string_view what,
                  std::string_view why);

// Calls `work` on rank 0, and then on all others: they find the files that it has written. Returns
// what it returned here.
template <class Work>
auto first_alone(const Ranks& ranks, Work&& work) {
    if (!is_first(ranks)) wait_for_all(ranks);
    auto result = work();
    if (is_first(ranks)) wait_for_all(ranks);
    return result;
}

}  // namespace keepsake::optimize
