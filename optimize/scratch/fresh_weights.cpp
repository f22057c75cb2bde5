#include "optimize/scratch/fresh_weights.h"

#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "optimize/training/draws.h"
#include "pipeline/files/fingerprint.h"

namespace keepsake::optimize {

namespace {

using pipeline::Weights;

// Who draws (optimize/training/draws.h).
constexpr auto fresh_stream = static_cast<Stream>(60);

Tensor uniform(at::IntArrayRef shape, double bound, const at::Generator& generator) {
    return at::rand(shape, generator, at::TensorOptions().dtype(at::kFloat)).mul_(2 * bound) -
           bound;
}

// A network that was built of them has names and shapes; from here on it is like one of a file.
template <class Network, class Config>
Network fresh(const Config& config, std::uint64_t seed) {
    const Network made(config, Weights::fresh(fresh_weights(seed)));
    return Network(config, Weights::from_tensors(made.parameters()));
}

}  // namespace

Weights::Maker fresh_weights(std::uint64_t seed) {
    // By layer, of the weights that were asked for: a bias starts by its weight's.
    const auto fan_in = std::make_shared<std::map<std::string, std::int64_t>>();
    return [seed, fan_in](const std::string& name, at::IntArrayRef shape) -> Tensor {
        Fingerprint place;
        place.add(name);
        const at::Generator generator =
            step_generator(seed, fresh_stream, static_cast<std::int64_t>(place.hash >> 1));
        const std::string layer = name.substr(0, name.rfind('.'));
        if (shape.size() >= 2) {
            const std::int64_t inputs = c10::multiply_integers(shape.slice(1));
            (*fan_in)[layer] = inputs;
            return uniform(shape, 1 / std::sqrt(static_cast<double>(inputs)), generator);
        }
        if (name.ends_with(".weight")) return at::ones(shape);
        const auto inputs = fan_in->find(layer);
        if (inputs == fan_in->end()) return at::zeros(shape);
        return uniform(shape, 1 / std::sqrt(static_cast<double>(inputs->second)), generator);
    };
}

pipeline::UNet fresh_unet(const pipeline::UNetConfig& config, std::uint64_t seed) {
    return fresh<pipeline::UNet>(config, seed);
}

pipeline::Vae fresh_vae(const pipeline::VaeConfig& config, std::uint64_t seed) {
    return fresh<pipeline::Vae>(config, seed);
}

}  // namespace keepsake::optimize
