#include "optimize/scratch/discriminator.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <utility>

#include "optimize/training/draws.h"
#include "pipeline/error.h"
#include "pipeline/files/fingerprint.h"

namespace keepsake::optimize {
namespace {

// Who draws (optimize/training/draws.h).
constexpr auto fresh_stream = static_cast<Stream>(74);

// The places in torch.nn.Sequential.
struct Layer {
    int convolution, norm;  // norm: 0 for none
    std::int64_t in, out, stride;
    bool bias;
};
constexpr std::array<Layer, 5> layers = {{{0, 0, 3, 64, 2, true},
                                          {2, 3, 64, 128, 2, false},
                                          {5, 6, 128, 256, 2, false},
                                          {8, 9, 256, 512, 1, false},
                                          {11, 0, 512, 1, 1, true}}};

std::string name_of(int place, const char* part) {
    return "main." + std::to_string(place) + "." + part;
}

}  // namespace

Discriminator::Discriminator(TensorMap weights) : weights_(std::move(weights)) {
    const auto check = [&](const std::string& name, at::IntArrayRef shape) {
        const auto found = weights_.find(name);
        if (found == weights_.end() || found->second.sizes() != shape)
            throw Error("discriminator", "has no tensor " + name + " that fits");
    };
    for (const Layer& layer : layers) {
        check(name_of(layer.convolution, "weight"), {layer.out, layer.in, 4, 4});
        if (layer.bias) check(name_of(layer.convolution, "bias"), {layer.out});
        if (layer.norm == 0) continue;
        check(name_of(layer.norm, "weight"), {layer.out});
        check(name_of(layer.norm, "bias"), {layer.out});
    }
}

Discriminator Discriminator::fresh(std::uint64_t seed) {
    TensorMap weights;
    for (const Layer& layer : layers) {
        const std::string name = name_of(layer.convolution, "weight");
        Fingerprint place;
        place.add(name);
        weights[name] = at::randn({layer.out, layer.in, 4, 4},
                                  step_generator(seed, fresh_stream,
                                                 static_cast<std::int64_t>(place.hash >> 1))) *
                        0.02;
        if (layer.bias) weights[name_of(layer.convolution, "bias")] = at::zeros({layer.out});
        if (layer.norm == 0) continue;
        weights[name_of(layer.norm, "weight")] = at::ones({layer.out});
        weights[name_of(layer.norm, "bias")] = at::zeros({layer.out});
    }
    return Discriminator(std::move(weights));
}

Tensor Discriminator::operator()(const Tensor& pictures) const {
    const auto weight = [&](int place, const char* part) {
        return weights_.at(name_of(place, part));
    };
    constexpr double slope = 0.2, eps = 1e-5;
    Tensor x = pictures;
    for (const Layer& layer : layers) {
        x = at::conv2d(x, weight(layer.convolution, "weight"),
                       layer.bias ? weight(layer.convolution, "bias") : Tensor(), layer.stride, 1);
        // A group of one channel: the norm of a picture by itself.
        if (layer.norm != 0)
            x = at::group_norm(x, layer.out, weight(layer.norm, "weight"),
                               weight(layer.norm, "bias"), eps);
        if (layer.out > 1) x = at::leaky_relu(x, slope);
    }
    return x;
}

Discriminator Discriminator::on(at::Device device) const {
    TensorMap weights;
    for (const auto& [name, weight] : weights_) weights[name] = weight.to(device);
    return Discriminator(std::move(weights));
}

Discriminator Discriminator::held() const {
    TensorMap weights;
    for (const auto& [name, weight] : weights_) weights[name] = weight.detach();
    return Discriminator(std::move(weights));
}

Tensor hinge_loss(const Tensor& real, const Tensor& fake) {
    return 0.5 * (at::relu(1 - real).mean() + at::relu(1 + fake).mean());
}

Tensor adaptive_share(const Tensor& others, const Tensor& adversarial, const Tensor& last_weight) {
    const auto size = [&](const Tensor& loss) {
        return torch::autograd::grad({loss}, {last_weight}, {}, /*retain_graph=*/true)[0].norm();
    };
    const at::NoGradGuard no_grad;
    return (size(others) / (size(adversarial) + 1e-4)).clamp(0, 1e4);
}

Tensor adversarial_terms(const Discriminator& discriminator, const Tensor& pictures,
                         const Tensor& decoded, const Tensor& others, const Tensor& last_weight,
                         double weight) {
    const Tensor adversarial = -discriminator.held()(decoded).mean();
    const Tensor share = adaptive_share(others, adversarial, last_weight);
    return weight * share * adversarial +
           hinge_loss(discriminator(pictures), discriminator(decoded.detach()));
}

}  // namespace keepsake::optimize
