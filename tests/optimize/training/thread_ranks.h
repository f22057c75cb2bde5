// Ranks as threads of one process.
#pragma once

#include <ATen/core/grad_mode.h>

#include <barrier>
#include <cstddef>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "optimize/training/ranks.h"

namespace keepsake::testing {

// What the threads hand each other.
class ThreadRanks {
  public:
    explicit ThreadRanks(std::int64_t count)
        : tensors_(static_cast<std::size_t>(count)), barrier_(count) {}

    optimize::Ranks rank(std::int64_t rank) {
        optimize::Ranks ranks;
        ranks.rank = rank;
        ranks.count = static_cast<std::int64_t>(tensors_.size());
        ranks.sum = [this, rank](const at::Tensor& tensor) {
            const at::NoGradGuard no_grad;
            show(rank, tensor);
            at::Tensor sum = tensors_[0].clone();
            for (std::size_t i = 1; i < tensors_.size(); ++i) sum += tensors_[i];
            barrier_.arrive_and_wait();
            tensor.copy_(sum);
        };
        ranks.broadcast = [this, rank](const at::Tensor& tensor) {
            const at::NoGradGuard no_grad;
            show(rank, tensor);
            const at::Tensor first = tensors_[0].clone();
            barrier_.arrive_and_wait();
            if (rank != 0) tensor.copy_(first);
        };
        return ranks;
    }

  private:
    void show(std::int64_t rank, const at::Tensor& tensor) {
        tensors_[static_cast<std::size_t>(rank)] = tensor;
        barrier_.arrive_and_wait();
    }
    std::vector<at::Tensor> tensors_;
    std::barrier<> barrier_;
};

// Does `work` as each of `count` ranks. All ranks must throw, or none; the first rank's exception
// passes on.
inline void as_ranks(std::int64_t count, const std::function<void(const optimize::Ranks&)>& work) {
    ThreadRanks together(count);
    std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(count));
    {
        std::vector<std::jthread> threads;
        for (std::int64_t i = 0; i < count; ++i)
            threads.emplace_back([&, i] {
                try {
                    work(together.rank(i));
                } catch (...) {
                    thrown[static_cast<std::size_t>(i)] = std::current_exception();
                }
            });
    }
    if (thrown[0]) std::rethrow_exception(thrown[0]);
}

}  // namespace keepsake::testing
