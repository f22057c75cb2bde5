#include "optimize/training/draws.h"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>

#include "pipeline/compute/mixed.h"

namespace keepsake::optimize {

namespace {

// Timesteps of the pairs of one step, of which the stage has seen step * batch before.
Tensor stratified_timesteps(const DrawRequest& request, std::int64_t step) {
    constexpr double golden =
        0.6180339887498949;  // its multiples modulo 1 keep far from each other
    const double start = at::rand({1}, step_generator(request.seed, request.stream, -1),
                                  at::TensorOptions().dtype(at::kDouble))
                             .item<double>();
    std::vector<std::int64_t> timesteps;
    for (std::int64_t i = 0; i < request.batch_size; ++i) {
        const double turns = start + golden * static_cast<double>(step * request.batch_size + i);
        const double phase = turns - std::floor(turns);
        timesteps.push_back(
            static_cast<std::int64_t>(phase * static_cast<double>(request.num_train_timesteps)));
    }
    return at::tensor(timesteps, at::TensorOptions().dtype(at::kLong));
}

std::vector<std::int64_t> batch_shape(std::int64_t batch, const std::vector<std::int64_t>& sample) {
    std::vector<std::int64_t> shape = {batch};
    shape.insert(shape.end(), sample.begin(), sample.end());
    return shape;
}

}  // namespace

at::Generator step_generator(std::uint64_t seed, Stream stream, std::int64_t step) {
    using pipeline::mixed;
    return at::detail::createCPUGenerator(
        mixed(mixed(mixed(seed) + static_cast<std::uint64_t>(stream)) +
              static_cast<std::uint64_t>(step)));
}

Draw Draw::part(std::int64_t begin, std::int64_t end) const {
    end = std::min(end, size());
    return {timesteps.slice(0, begin, end), noise.slice(0, begin, end)};
}

Draw draw_pairs(const DrawRequest& request, std::int64_t step) {
    const std::int64_t batch = request.batch_size;
    at::Generator generator = step_generator(request.seed, request.stream, step);
    const auto floats = at::TensorOptions().dtype(at::kFloat);
    Draw pairs;
    if (request.draws == Draws::independent) {
        pairs.timesteps = at::randint(request.num_train_timesteps, {batch}, generator,
                                      at::TensorOptions().dtype(at::kLong));
        pairs.noise = at::randn(batch_shape(batch, request.sample_shape), generator, floats);
    } else {
        const bool antithetic = batch % 2 == 0;
        pairs.timesteps = stratified_timesteps(request, step);
        pairs.noise = at::randn(batch_shape(antithetic ? batch / 2 : batch, request.sample_shape),
                                generator, floats);
        if (antithetic) pairs.noise = at::cat({pairs.noise, -pairs.noise});
    }
    return {pairs.timesteps.to(request.device), pairs.noise.to(request.device)};
}

Draw evaluation_pairs(const std::vector<std::int64_t>& sample_shape,
                      std::int64_t num_train_timesteps, at::Device device) {
    constexpr std::int64_t pairs = 16;
    constexpr std::uint64_t noise_seed = 20220927;  // any constant: it makes runs comparable
    const Tensor noise =
        at::randn(batch_shape(pairs, sample_shape), at::detail::createCPUGenerator(noise_seed),
                  at::TensorOptions().dtype(at::kFloat))
            .to(device);
    const Tensor timesteps = ((at::arange(pairs, at::TensorOptions().dtype(at::kDouble)) + 0.5) *
                              static_cast<double>(num_train_timesteps) / static_cast<double>(pairs))
                                 .to(at::kLong)
                                 .to(device);
    return {timesteps, noise};
}

}  // namespace keepsake::optimize
