// torchsde's Brownian tree: a path of which each value is found by halving, so that it is the same
// wherever and in whatever order it is asked for. k-diffusion's SDE samplers, and the programs that
// have them, draw their noise from it.
//
// torchsde 0.2.6 (Li, Wong, Chen, Duvenaud, arXiv 2001.01328, section 4; Kidger's
// _brownian/brownian_interval.py, halfway_tree, without Levy area); the seeds within are those of
// numpy's SeedSequence (Melissa O'Neill's seed_seq).
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace keepsake::pipeline {

// numpy.random.SeedSequence(entropy, spawn_key=spawn_key, pool_size=24).generate_state(4).
std::array<std::uint32_t, 4> seed_sequence(std::uint64_t entropy,
                                           const std::vector<std::uint64_t>& spawn_key);

class BrownianTree {
  public:
    // torchsde.BrownianTree(t0, w0, t1, entropy=entropy), t0 < t1. randn: standard normal noise of
    // w0's shape, float32, by a seed.
    BrownianTree(double t0, double t1, std::uint64_t entropy,
                 std::function<at::Tensor(std::uint64_t seed)> randn);
    ~BrownianTree();
    BrownianTree(BrownianTree&&) noexcept;
    BrownianTree& operator=(BrownianTree&&) noexcept;

    // W(to) - W(from), of w0's shape; from < to, both taken into [t0, t1].
    at::Tensor increment(double from, double to);

  private:
    struct Interval;
    void split(Interval& interval, double at);
    void find(Interval& interval, double from, double to, std::vector<Interval*>& found);
    at::Tensor increment_of(const Interval& interval, std::map<const Interval*, at::Tensor>& known);

    std::uint64_t entropy_ = 0;
    std::function<at::Tensor(std::uint64_t seed)> randn_;
    std::unique_ptr<Interval> whole_;
};

}  // namespace keepsake::pipeline
