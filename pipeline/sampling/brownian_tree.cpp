#include "pipeline/sampling/brownian_tree.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace keepsake::pipeline {
namespace {

constexpr std::size_t pool_size = 24;  // BrownianTree's default

// numpy/random/bit_generator.pyx
constexpr std::uint32_t init_a = 0x43b0d7e5, mult_a = 0x931e8875;
constexpr std::uint32_t init_b = 0x8b51f9dd, mult_b = 0x58f38ded;
constexpr std::uint32_t mix_left = 0xca01f9dd, mix_right = 0x4973f715;

std::uint32_t hashed(std::uint32_t value, std::uint32_t& constant, std::uint32_t factor) {
    value ^= constant;
    constant *= factor;
    value *= constant;
    return value ^ (value >> 16);
}

std::uint32_t mixed(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t value = mix_left * a - mix_right * b;
    return value ^ (value >> 16);
}

// As few words as it takes, the lowest first; one at least.
void add_words(std::uint64_t number, std::vector<std::uint32_t>& words) {
    do {
        words.push_back(static_cast<std::uint32_t>(number));
        number >>= 32;
    } while (number > 0);
}

// Python's round(value, 6), which BrownianTree's tolerance asks for: the nearest decimal, which is
// what printing finds.
double rounded(double value) {
    char text[400];
    std::snprintf(text, sizeof text, "%.6f", value);
    return std::strtod(text, nullptr);
}

}  // namespace

std::array<std::uint32_t, 4> seed_sequence(std::uint64_t entropy,
                                           const std::vector<std::uint64_t>& spawn_key) {
    std::vector<std::uint32_t> words;
    add_words(entropy, words);
    if (!spawn_key.empty()) words.resize(std::max(words.size(), pool_size));
    for (const std::uint64_t key : spawn_key) add_words(key, words);
    std::array<std::uint32_t, pool_size> pool{};
    std::uint32_t constant = init_a;
    for (std::size_t i = 0; i < pool_size; ++i)
        pool[i] = hashed(i < words.size() ? words[i] : 0, constant, mult_a);
    for (std::size_t from = 0; from < pool_size; ++from)
        for (std::size_t to = 0; to < pool_size; ++to)
            if (from != to) pool[to] = mixed(pool[to], hashed(pool[from], constant, mult_a));
    for (std::size_t from = pool_size; from < words.size(); ++from)
        for (std::uint32_t& to : pool) to = mixed(to, hashed(words[from], constant, mult_a));
    std::array<std::uint32_t, 4> state{};
    constant = init_b;
    for (std::size_t i = 0; i < state.size(); ++i) state[i] = hashed(pool[i], constant, mult_b);
    return state;
}

struct BrownianTree::Interval {
    double start, end;
    const Interval* parent = nullptr;
    bool is_left = false;
    std::uint64_t place = 0, depth = 0;  // of the tree's seeds
    // Once it is split:
    double middle = 0;
    std::uint32_t seed = 0;
    std::unique_ptr<Interval> left, right;
};

BrownianTree::BrownianTree(double t0, double t1, std::uint64_t entropy,
                           std::function<at::Tensor(std::uint64_t seed)> randn)
    : entropy_(entropy),
      randn_(std::move(randn)),
      whole_(new Interval{.start = rounded(t0), .end = rounded(t1)}) {}
BrownianTree::~BrownianTree() = default;
BrownianTree::BrownianTree(BrownianTree&&) noexcept = default;
BrownianTree& BrownianTree::operator=(BrownianTree&&) noexcept = default;

// Halves it, and the halves in which `at` lies, until it is a border.
void BrownianTree::split(Interval& interval, double at) {
    const double half = 0.5 * (interval.end + interval.start);
    interval.middle = rounded(half);
    interval.seed = seed_sequence(entropy_, {interval.place, interval.depth})[0];
    const auto child = [&](double start, double end, bool is_left) {
        return std::unique_ptr<Interval>(
            new Interval{.start = rounded(start),
                         .end = rounded(end),
                         .parent = &interval,
                         .is_left = is_left,
                         .place = 2 * interval.place + (is_left ? 0 : 1),
                         .depth = interval.depth + 1});
    };
    interval.left = child(interval.start, half, true);
    interval.right = child(half, interval.end, false);
    if (at > interval.middle) split(*interval.right, at);
    if (at < interval.middle) split(*interval.left, at);
}

// The intervals that make up [from, to], in order; those that are missing are made.
void BrownianTree::find(Interval& interval, double from, double to, std::vector<Interval*>& found) {
    if (from >= to) return;
    if (from == interval.start && to == interval.end) return found.push_back(&interval);
    if (!interval.left) split(interval, from == interval.start ? to : from);
    find(*interval.left, from, std::min(to, interval.middle), found);
    find(*interval.right, std::max(from, interval.middle), to, found);
}

// Of a half by the bridge over the whole, whose increment is known.
at::Tensor BrownianTree::increment_of(const Interval& interval,
                                      std::map<const Interval*, at::Tensor>& known) {
    const auto there = known.find(&interval);
    if (there != known.end()) return there->second;
    at::Tensor w;
    if (!interval.parent) {
        w = randn_(seed_sequence(entropy_, {})[0]) * std::sqrt(interval.end - interval.start);
    } else {
        const Interval& parent = *interval.parent;
        const at::Tensor whole = increment_of(parent, known);
        const double of_length = 1 / (parent.end - parent.start);
        const double left = parent.middle - parent.start, right = parent.end - parent.middle;
        w = whole * left * of_length + randn_(parent.seed) * std::sqrt(left * right * of_length);
        if (!interval.is_left) w = whole - w;
    }
    return known[&interval] = w;
}

at::Tensor BrownianTree::increment(double from, double to) {
    const auto inside = [&](double t) {
        return rounded(std::clamp(t, whole_->start, whole_->end));
    };
    std::vector<Interval*> parts;
    find(*whole_, inside(from), inside(to), parts);
    std::map<const Interval*, at::Tensor> known;
    at::Tensor sum;
    for (const Interval* part : parts) {
        const at::Tensor w = increment_of(*part, known);
        sum = sum.defined() ? sum + w : w;
    }
    // Nearer to each other than the path is told apart.
    return sum.defined() ? sum : at::zeros_like(randn_(0));
}

}  // namespace keepsake::pipeline
