#include "pipeline/compute/arithmetic.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "pipeline/compute/bfloat16_trial.h"
#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline {
namespace {

using kernels::Kernels;
using Clock = std::chrono::steady_clock;

std::vector<float> room(std::int64_t floats) {
    return std::vector<float>(static_cast<std::size_t>(floats), 0.5f);
}

// Some rows of a product of Stable Diffusion's U-Net. Like a network's, its weights lie in the
// second-level cache: what waits for them there counts too.
class ProductTrial {
  public:
    explicit ProductTrial(const Kernels& k) : kernels_(k) {
        panels_ = (columns + k.panel_width - 1) / k.panel_width;
        packed_ = room(kernels::packed_size(k.panel_width, columns, depth));
        k.pack({weights_.data()}, columns, depth, packed_.data(), 0, panels_);
        job_.a = a_.data();
        job_.a_rows = {rows, 1, depth, 0, 0};
        job_.segment_length = depth;
        job_.rows = rows;
        job_.columns = columns;
        job_.panels = packed_.data();
        job_.c = c_.data();
        job_.c_rows = {rows, 1, columns, 0, 0};
        scratch_ = room(k.product_scratch(job_, {0, rows, 0, panels_}));
    }
    void operator()() { kernels_.product(job_, {0, rows, 0, panels_}, scratch_.data()); }

  private:
    static constexpr std::int64_t rows = 96, columns = 320, depth = 320;
    const Kernels& kernels_;
    std::int64_t panels_ = 0;
    std::vector<float> a_ = room(rows * depth), weights_ = room(columns * depth);
    std::vector<float> c_ = room(rows * columns), packed_, scratch_;
    kernels::Product job_;
};

// A 3x3 convolution of a small picture, by what the kernels take it: Winograd's tiles, or a
// product.
class ConvolutionTrial {
  public:
    explicit ConvolutionTrial(const Kernels& k) : kernels_(k) {
        panels_ = (channels + k.panel_width - 1) / k.panel_width;
        const std::int64_t depth = (k.in_tiles ? 9 : 16) * channels;
        packed_ = room(kernels::packed_size(k.panel_width, channels, depth));
        if (k.in_tiles) {
            k.pack({weights_.data()}, channels, depth, packed_.data(), 0, panels_);
            product_.a = x_.data();
            const std::int64_t line = (side + 2) * channels;
            product_.a_rows = {side, side, channels, line, (side + 2) * line};
            product_.segments = 3;
            product_.segment_length = 3 * channels;
            product_.segment_stride = line;
            product_.rows = rows;
            product_.columns = channels;
            product_.panels = packed_.data();
            product_.c = c_.data();
            product_.c_rows = {rows, 1, channels, 0, 0};
            scratch_ = room(k.product_scratch(product_, {0, rows, 0, panels_}));
            return;
        }
        k.pack_winograd({weights_.data()}, {channels, channels}, packed_.data(), 0, panels_);
        winograd_.x = x_.data();
        winograd_.height = winograd_.width = side;
        winograd_.channels = winograd_.columns = channels;
        winograd_.panels = packed_.data();
        winograd_.c = c_.data();
        scratch_ = room(k.winograd_scratch(winograd_.tiles(), channels));
    }
    void operator()() {
        if (kernels_.in_tiles)
            kernels_.product(product_, {0, rows, 0, panels_}, scratch_.data());
        else
            kernels_.winograd(winograd_, 0, winograd_.tiles(), 0, panels_, scratch_.data());
    }

  private:
    static constexpr std::int64_t side = 16, rows = side * side, channels = 128;
    const Kernels& kernels_;
    std::int64_t panels_ = 0;
    std::vector<float> x_ = room((side + 2) * (side + 2) * channels);
    std::vector<float> weights_ = room(channels * 9 * channels);
    std::vector<float> c_ = room(rows * channels), packed_, scratch_;
    kernels::Product product_;
    kernels::Winograd winograd_;
};

double seconds(auto& trial) {
    const Clock::time_point begin = Clock::now();
    trial();
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The least of several.
template <class Trial>
void race_of(const Kernels& of_one, const Kernels& of_other, double& one_seconds,
             double& other_seconds) {
    Trial one(of_one), other(of_other);
    one_seconds = other_seconds = std::numeric_limits<double>::max();
    for (int i = 0; i < 20; ++i) {
        one_seconds = std::min(one_seconds, seconds(one));
        other_seconds = std::min(other_seconds, seconds(other));
    }
}

bool try_bfloat16() {
    const Kernels* plain = kernels::kernels_for(Arithmetic::float32);
    const Kernels* rounded = kernels::kernels_for(Arithmetic::bfloat16);
    if (!plain || !rounded) return false;
    const KernelRace taken = race(*plain, *rounded);
    return bfloat16_pays(taken.one, taken.other);
}

}  // namespace

KernelRace race(const Kernels& one, const Kernels& other) {
    KernelRace taken;
    race_of<ProductTrial>(one, other, taken.one.product, taken.other.product);
    race_of<ConvolutionTrial>(one, other, taken.one.convolution, taken.other.convolution);
    return taken;
}

bool bfloat16_pays(const KernelSeconds& float32, const KernelSeconds& bfloat16) {
    constexpr double product_share = 0.36, convolution_share = 0.22;  // docs/speed.md
    // Less than this is not worth pictures that differ from float32's.
    constexpr double enough = 0.85;
    const double taken = product_share * bfloat16.product / float32.product +
                         convolution_share * bfloat16.convolution / float32.convolution;
    return taken <= enough * (product_share + convolution_share);
}

namespace {

thread_local Arithmetic learns_in = Arithmetic::float32;

}  // namespace

LearnIn::LearnIn(Arithmetic arithmetic) : before_(std::exchange(learns_in, arithmetic)) {}

LearnIn::~LearnIn() {
    learns_in = before_;
}

Arithmetic learning_arithmetic() {
    return learns_in;
}

bool has_fast_bfloat16() {
    static const bool fast = try_bfloat16();
    return fast;
}

}  // namespace keepsake::pipeline
