#include "optimize/training/noising.h"

#include "optimize/training/streams.h"

namespace keepsake::optimize {

namespace {

// A generator of a step for an option beside the pairs of `request`.
at::Generator beside(const DrawRequest& request, Stream option, std::int64_t step) {
    constexpr std::uint64_t streams = 16;
    const auto stream = static_cast<std::uint64_t>(request.stream);
    return step_generator(
        request.seed, static_cast<Stream>(streams * stream + static_cast<std::uint64_t>(option)),
        step);
}

}  // namespace

NoisingDraw draw_noising(const DrawRequest& request, const NoisingOptions& options,
                         std::int64_t step) {
    NoisingDraw draw;
    draw.pairs = draw_pairs(request, step);
    const auto floats = at::TensorOptions().dtype(at::kFloat);
    const Tensor& noise = draw.pairs.noise;
    if (options.offset != 0)
        draw.offset = at::randn({noise.size(0), noise.size(1), 1, 1},
                                beside(request, streams::noise_offset, step), floats)
                          .to(request.device);
    if (options.perturbation != 0)
        draw.perturbation =
            at::randn(noise.sizes(), beside(request, streams::input_perturbation, step), floats)
                .to(request.device);
    return draw;
}

NoisyPictures make_noisy(const pipeline::Schedule& schedule, const Tensor& x0,
                         const NoisingDraw& draw, const NoisingOptions& options) {
    Tensor noise = draw.pairs.noise;
    if (options.offset != 0) noise = noise + options.offset * draw.offset;
    const Tensor seen =
        options.perturbation != 0 ? noise + options.perturbation * draw.perturbation : noise;
    return {schedule.add_noise(x0, seen, draw.pairs.timesteps),
            schedule.target(x0, noise, draw.pairs.timesteps)};
}

}  // namespace keepsake::optimize
