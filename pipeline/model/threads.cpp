#include "pipeline/model/threads.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline {

namespace {

constexpr double tie = 0.03;
constexpr double clear_win = 0.1;
constexpr int least_turns = 2, most_turns = 4;

using Clock = std::chrono::steady_clock;
// Passes take many times as long where other programs are at work.
constexpr std::chrono::milliseconds small_budget{100}, large_budget{500};

// At most so many multiplications: as if every weight acted on every latent.
double work_of(const UNet& unet, std::int64_t pixels) {
    std::int64_t weights = 0;
    for (const auto& [name, tensor] : unet.parameters()) weights += tensor.numel();
    return static_cast<double>(weights) * static_cast<double>(pixels);
}

// One pass of the whole network.
std::function<void()> whole_pass(const UNet& unet, std::int64_t height, std::int64_t width) {
    const UNetConfig& config = unet.config();
    const Tensor sample = at::ones({2, config.in_channels, height, width});
    const Tensor timestep = at::full({1}, 500.0);
    const Tensor context = at::ones({2, 77, config.cross_attention_dim});
    return [&unet, sample, timestep, context] { unet(sample, timestep, context); };
}

// The first resnet and transformer of a network too large for whole passes, on no more than what
// Stable Diffusion was trained at.
std::function<void()> first_level(const UNet& unet, std::int64_t height, std::int64_t width) {
    const UNetConfig& config = unet.config();
    const std::string resnet = "down_blocks.0.resnets.0", attention = "down_blocks.0.attentions.0";
    TensorMap tensors;
    for (const auto& [name, tensor] : unet.parameters()) {
        if (name.starts_with(resnet) || name.starts_with(attention))
            tensors[name] = tensor.detach();
    }
    Weights weights = Weights::from_tensors(std::move(tensors), "U-Net");
    weights.set_arithmetic(unet.arithmetic());
    const std::int64_t channels = config.block_out_channels.front();
    const Resnet first(weights, resnet, resnet_shape(config, channels, channels));
    std::optional<Transformer> second;
    if (config.down_attention.front())
        second.emplace(weights, attention, transformer_shape(config, 0));
    constexpr std::int64_t most = 64;
    const Tensor x = at::ones({1, channels, std::min(height, most), std::min(width, most)})
                         .contiguous(at::MemoryFormat::ChannelsLast);
    const Tensor bias = at::ones({1, channels});
    const Tensor context = at::ones({1, 77, config.cross_attention_dim});
    return [=] {
        const Tensor y = first(x, bias);
        if (second) (*second)(y, context);
    };
}

std::optional<int> allowed_threads() {
    return parse_omp_num_threads(std::getenv("OMP_NUM_THREADS"));
}

double seconds_of(const std::function<void()>& work, int threads) {
    at::set_num_threads(threads);
    // Makes the threads that are not there yet and wakes the others.
    kernels::share(threads, threads, [](std::int64_t) {});
    const Clock::time_point begin = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

// By turns, and of each the best: what disturbs can only make slower. For the same reason more
// threads that win are believed sooner than more threads that lose. No turn begins after `end`; a
// race that never began is a tie.
Race race(const std::function<void()>& work, int fewer, int more, Clock::time_point end) {
    constexpr double none = std::numeric_limits<double>::infinity();
    Race best{none, none};
    for (int turn = 0; turn < most_turns && Clock::now() < end; ++turn) {
        if (turn >= least_turns && best.more < best.fewer * (1 - clear_win)) break;
        best.more = std::min(best.more, seconds_of(work, more));
        best.fewer = std::min(best.fewer, seconds_of(work, fewer));
    }
    return best;
}

}  // namespace

std::optional<int> parse_omp_num_threads(const char* omp_num_threads) {
    if (!omp_num_threads) return std::nullopt;
    std::string_view text = omp_num_threads;
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    int threads = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), threads);
    const bool ends = end == text.data() + text.size() || *end == ',' || *end == ' ';
    if (code != std::errc() || !ends || threads < 1) return std::nullopt;
    return threads;
}

std::vector<int> thread_candidates(const UsableCores& cores, std::optional<int> allowed,
                                   bool large_network) {
    const int most = allowed.value_or(cores.logical);
    std::vector<int> candidates = {cores.logical, cores.physical};
    for (int half = cores.physical / 2; half >= 1 && !large_network; half /= 2)
        candidates.push_back(half);
    for (int& threads : candidates) threads = std::min(threads, most);
    std::ranges::sort(candidates);
    const auto doubled = std::ranges::unique(candidates);
    candidates.erase(doubled.begin(), doubled.end());
    return candidates;
}

int choose_threads(const std::vector<int>& candidates,
                   const std::function<Race(int fewer, int more)>& race) {
    int chosen = candidates.front();
    for (std::size_t i = 1; i < candidates.size(); ++i) {
        const Race seconds = race(chosen, candidates[i]);
        if (!(seconds.more < seconds.fewer * (1 - tie))) break;
        chosen = candidates[i];
    }
    return chosen;
}

int default_threads(const UsableCores& cores) {
    return std::min(cores.physical, allowed_threads().value_or(cores.physical));
}

int measure_threads(const UNet& unet, std::int64_t height, std::int64_t width,
                    const UsableCores& cores) {
    // Of the bundled model's, a pass of 1.4e9 takes 7 ms on two cores.
    constexpr double large = 1e10;
    const bool is_large = work_of(unet, height * width) > large;
    const std::vector<int> candidates = thread_candidates(cores, allowed_threads(), is_large);
    // LibTorch's own operators give other last digits with other threads, so where they compute the
    // clock has no say.
    const bool by_clock =
        kernels::best_kernels() && unet.parameters().begin()->second.device().is_cpu();
    int chosen = by_clock ? candidates.front() : default_threads(cores);
    if (by_clock && candidates.size() > 1) {
        const at::NoGradGuard no_grad;
        const auto work =
            is_large ? first_level(unet, height, width) : whole_pass(unet, height, width);
        at::set_num_threads(chosen);
        work();  // packs weights, and so on
        const auto end = Clock::now() + (is_large ? large_budget : small_budget);
        chosen = choose_threads(candidates,
                                [&](int fewer, int more) { return race(work, fewer, more, end); });
    }
    at::set_num_threads(chosen);
    return chosen;
}

}  // namespace keepsake::pipeline
