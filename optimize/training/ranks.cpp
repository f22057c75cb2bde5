#include "optimize/training/ranks.h"

#include <ATen/core/grad_mode.h>

namespace keepsake::optimize {

namespace {

// Gradients that travel as one flat buffer: a message for each would be as slow as the network's
// latency.
class Bucket {
  public:
    explicit Bucket(const Ranks& ranks) : ranks_(ranks) {}

    void add(const Tensor& gradient) {
        constexpr std::int64_t most = 25 << 20;
        gradients_.push_back(gradient);
        bytes_ += gradient.numel() * static_cast<std::int64_t>(sizeof(float));
        if (bytes_ >= most) send();
    }
    void send() {
        if (gradients_.empty()) return;
        std::vector<Tensor> parts;
        for (const Tensor& gradient : gradients_)
            parts.push_back(gradient.to(at::kCPU, at::kFloat).reshape({-1}));
        const Tensor flat = at::cat(parts);
        ranks_.sum(flat);
        std::int64_t at = 0;
        for (const Tensor& gradient : gradients_) {
            gradient.copy_(flat.narrow(0, at, gradient.numel()).view(gradient.sizes()));
            at += gradient.numel();
        }
        gradients_.clear();
        bytes_ = 0;
    }

  private:
    const Ranks& ranks_;
    std::vector<Tensor> gradients_;
    std::int64_t bytes_ = 0;
};

}  // namespace

Part part_of(const Ranks& ranks, std::int64_t count) {
    return {count * ranks.rank / ranks.count, count * (ranks.rank + 1) / ranks.count};
}

void sum_gradients(const Ranks& ranks, const TensorMap& learns) {
    if (ranks.count == 1) return;
    const at::NoGradGuard no_grad;
    Bucket bucket(ranks);
    for (const auto& [name, tensor] : learns) {
        Tensor parameter = tensor;
        if (!parameter.grad().defined()) parameter.mutable_grad() = at::zeros_like(parameter);
        bucket.add(parameter.grad());
    }
    bucket.send();
}

std::vector<double> sums(const Ranks& ranks, std::vector<double> values) {
    if (ranks.count == 1) return values;
    const Tensor all = at::tensor(values, at::kDouble);
    ranks.sum(all);
    const auto* first = all.const_data_ptr<double>();
    return {first, first + all.numel()};
}

Tensor gather_rows(const Ranks& ranks, const Tensor& own, std::int64_t begin, std::int64_t count) {
    if (ranks.count == 1) return own;
    const std::int64_t end = begin + own.size(0);
    // Each rank adds its rows to zeros.
    const Tensor all = at::zeros({count, own.size(1)}, at::TensorOptions().dtype(at::kFloat));
    {
        const at::NoGradGuard no_grad;
        all.slice(0, begin, end).copy_(own);
    }
    ranks.sum(all);
    const Tensor others = all.to(own.device());
    return at::cat({others.slice(0, 0, begin), own, others.slice(0, end)});
}

void broadcast(const Ranks& ranks, const TensorMap& tensors) {
    if (ranks.count == 1) return;
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : tensors) {
        const Tensor bytes = tensor.detach().to(at::kCPU).contiguous();
        ranks.broadcast(bytes);
        // Also where they are the same bytes: it says that the tensor has changed.
        if (!is_first(ranks)) tensor.copy_(bytes);
    }
}

void broadcast(const Ranks& ranks, std::int64_t& value) {
    if (ranks.count == 1) return;
    const Tensor number = at::full({1}, value, at::TensorOptions().dtype(at::kLong));
    ranks.broadcast(number);
    value = number.item<std::int64_t>();
}

void wait_for_all(const Ranks& ranks) {
    sums(ranks, {0});
}

void require_same(const Ranks& ranks, std::int64_t value, std::string_view what,
                  std::string_view why) {
    std::int64_t of_first = value;
    broadcast(ranks, of_first);
    if (of_first != value) throw Error(what, why);
}

}  // namespace keepsake::optimize
