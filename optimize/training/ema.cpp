#include "optimize/training/ema.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "pipeline/error.h"

namespace keepsake::optimize {

double ema_decay(const EmaOptions& options, std::int64_t update) {
    const auto s = static_cast<double>(std::max<std::int64_t>(0, update - options.after - 1));
    if (s == 0) return 0;
    const double decay = options.warm_up
                             ? 1 - std::pow(1 + s / options.inverse_gamma, -options.power)
                             : (1 + s) / (10 + s);
    return std::max(std::min(decay, options.decay), options.min_decay);
}

Ema::Ema(TensorMap parameters, EmaOptions options)
    : options_(options), parameters_(std::move(parameters)) {
    for (const auto& [name, parameter] : parameters_) averages_[name] = parameter.detach().clone();
}

void Ema::update(std::int64_t update) {
    const at::NoGradGuard no_grad;
    const double share = 1 - ema_decay(options_, update);
    for (auto& [name, average] : averages_) average.lerp_(parameters_.at(name), share);
}

void Ema::load(const TensorMap& averages) {
    const at::NoGradGuard no_grad;
    for (auto& [name, average] : averages_) {
        const auto found = averages.find(name);
        if (found == averages.end()) throw Error("averaged weights", "have no tensor " + name);
        if (found->second.sizes() != average.sizes())
            throw Error("averaged weights", name + " does not have the shape of its parameter");
        average.copy_(found->second);
    }
}

}  // namespace keepsake::optimize
