#include "optimize/distil/consistency.h"

#include "pipeline/error.h"

namespace keepsake::optimize {

Neighbours neighbours(const pipeline::Schedule& schedule, const ConsistencyOptions& options,
                      const Tensor& index) {
    const std::int64_t range = schedule.config.num_train_timesteps;
    if (options.grid < 1 || options.grid > range) {
        throw Error("grid", std::to_string(options.grid) + " is not between 1 and the model's " +
                                std::to_string(range) + " timesteps");
    }
    const std::int64_t stride = range / options.grid;
    const Tensor from = (index + 1) * stride - 1;
    return {from, (from - stride).clamp_min(0), (index * stride - 1).clamp_min(0)};
}

Tensor consistency(const Tensor& x, const Tensor& z, const Tensor& timesteps,
                   const ConsistencyOptions& options) {
    const double data = options.sigma_data * options.sigma_data;
    const Tensor scaled = timesteps.to(at::kDouble).view({-1, 1, 1, 1}) * options.timestep_scaling;
    const Tensor norm = scaled.square() + data;
    const Tensor skip = (data / norm).to(z.scalar_type());
    const Tensor out = (scaled / norm.sqrt()).to(z.scalar_type());
    return skip * z + out * x;
}

Reading guided(const Reading& cond, const Reading& uncond, const Tensor& w) {
    return {cond.x + w * (cond.x - uncond.x), cond.noise + w * (cond.noise - uncond.noise)};
}

Tensor pseudo_huber(const Tensor& found, const Tensor& wanted, double c) {
    return ((found - wanted).square() + c * c).sqrt().sub(c).mean();
}

}  // namespace keepsake::optimize
