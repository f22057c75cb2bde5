#include "pipeline/compute/arithmetic.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "pipeline/compute/bfloat16_trial.h"
#include "pipeline/compute/drawing_arithmetic.h"
#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline {
namespace {

using kernels::Kernels;
using Clock = std::chrono::steady_clock;

std::vector<float> room(std::int64_t floats) {
    return std::vector<float>(static_cast<std::size_t>(floats), 0.5f);
}

// A product, or some rows of one. Like a network's, its weights lie in the second-level cache: what
// waits for them there counts too.
class ProductTrial {
  public:
    // input: what A is, but for where it begins; of `numbers` numbers.
    ProductTrial(const Kernels& k, const kernels::InputMatrix& input, std::int64_t numbers,
                 std::int64_t columns)
        : kernels_(k),
          a_(room(numbers)),
          weights_(room(columns * input.depth())),
          c_(room(input.rows * columns)),
          packed_(room(kernels::packed_size(k.panel_width, columns, input.depth()))),
          job_{input} {
        part_ = {0, input.rows, 0, (columns + k.panel_width - 1) / k.panel_width};
        k.pack({weights_.data()}, columns, input.depth(), packed_.data(), 0, part_.panel_end);
        job_.a = a_.data();
        job_.columns = columns;
        job_.panels = packed_.data();
        job_.c = c_.data();
        job_.c_rows = {input.rows, 1, columns, 0, 0};
        scratch_ = room(k.product_scratch(job_, part_));
    }
    void run() { kernels_.product(job_, part_, scratch_.data()); }

  private:
    const Kernels& kernels_;
    std::vector<float> a_, weights_, c_, packed_, scratch_;
    kernels::Product job_;
    kernels::Part part_;
};

// A 3x3 convolution of a few tiles.
class WinogradTrial {
  public:
    WinogradTrial(const Kernels& k, std::int64_t side, std::int64_t channels)
        : kernels_(k),
          panels_((channels + k.panel_width - 1) / k.panel_width),
          x_(room((side + 2) * (side + 2) * channels)),
          weights_(room(channels * 9 * channels)),
          c_(room(side * side * channels)),
          packed_(room(16 * kernels::packed_size(k.panel_width, channels, channels))) {
        k.pack_winograd({weights_.data()}, {channels, channels}, packed_.data(), 0, panels_);
        job_.x = x_.data();
        job_.height = job_.width = side;
        job_.channels = job_.columns = channels;
        job_.panels = packed_.data();
        job_.c = c_.data();
        scratch_ = room(k.winograd_scratch(job_.tiles(), channels));
    }
    void run() { kernels_.winograd(job_, 0, job_.tiles(), 0, panels_, scratch_.data()); }

  private:
    const Kernels& kernels_;
    std::int64_t panels_;
    std::vector<float> x_, weights_, c_, packed_, scratch_;
    kernels::Winograd job_;
};

using Trial = std::function<void()>;
template <class Kind, class... Arguments>
Trial trial(const Kernels& k, const Arguments&... arguments) {
    return [kept = std::make_shared<Kind>(k, arguments...)] { kept->run(); };
}

// Some rows of a product of Stable Diffusion's U-Net.
Trial product_trial(const Kernels& k) {
    constexpr std::int64_t rows = 96, columns = 320, depth = 320;
    kernels::InputMatrix input;
    input.a_rows = {rows, 1, depth, 0, 0};
    input.segment_length = depth;
    input.rows = rows;
    return trial<ProductTrial>(k, input, rows * depth, columns);
}

// A 3x3 convolution of a small picture, as the kernels take it: by Winograd's tiles, or as a
// product.
Trial convolution_trial(const Kernels& k) {
    constexpr std::int64_t side = 16, channels = 128, line = (side + 2) * channels;
    if (!k.in_tiles) return trial<WinogradTrial>(k, side, channels);
    kernels::InputMatrix input;
    input.a_rows = {side, side, channels, line, (side + 2) * line};
    input.segments = 3;
    input.segment_length = 3 * channels;
    input.segment_stride = line;
    input.rows = side * side;
    return trial<ProductTrial>(k, input, (side + 2) * line, channels);
}

double seconds(const Trial& trial) {
    const Clock::time_point begin = Clock::now();
    trial();
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The least of several.
void race_of(const Trial& one, const Trial& other, double& one_seconds, double& other_seconds) {
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
    race_of(product_trial(one), product_trial(other), taken.one.product, taken.other.product);
    race_of(convolution_trial(one), convolution_trial(other), taken.one.convolution,
            taken.other.convolution);
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
thread_local std::optional<Arithmetic> draws_in;

}  // namespace

LearnIn::LearnIn(Arithmetic arithmetic) : before_(std::exchange(learns_in, arithmetic)) {}

LearnIn::~LearnIn() {
    learns_in = before_;
}

Arithmetic learning_arithmetic() {
    return learns_in;
}

DrawIn::DrawIn(std::optional<Arithmetic> arithmetic)
    : before_(std::exchange(draws_in, arithmetic)) {}

DrawIn::~DrawIn() {
    draws_in = before_;
}

Arithmetic drawing_arithmetic(Arithmetic own) {
    return draws_in.value_or(own);
}

bool has_fast_bfloat16() {
    static const bool fast = try_bfloat16();
    return fast;
}

}  // namespace keepsake::pipeline
