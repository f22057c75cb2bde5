#include "pipeline/networks/lora_start.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/number_text.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::pipeline {

namespace {

constexpr std::string_view weight_suffix = ".weight";
const std::string text_prefix = "lora_te_text_model_";
const std::string unet_prefix = "lora_unet_";

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != text.npos;
}

const Tensor& weight_of(const TensorMap& parameters, const std::string& layer) {
    const auto found = parameters.find(layer + std::string(weight_suffix));
    if (found == parameters.end()) throw Error("LoRA", "the network has no layer " + layer);
    return found->second;
}

Tensor started(std::vector<std::int64_t> shape, const LoraOptions& options,
               const at::Generator& generator) {
    const auto floats = at::TensorOptions().dtype(at::kFloat);
    if (options.start == LoraStart::gaussian)
        return at::randn(shape, generator, floats) / static_cast<double>(options.rank);
    double fan_in = 1;
    for (std::size_t i = 1; i < shape.size(); ++i) fan_in *= static_cast<double>(shape[i]);
    return (at::rand(shape, generator, floats) * 2 - 1) / std::sqrt(fan_in);
}

LoraSet start_on(const TensorMap& parameters, const std::vector<std::string>& layers,
                 const LoraOptions& options, const at::Generator& generator) {
    check(options);
    const auto pass = options.dropout > 0 ? std::make_shared<LoraPass>() : nullptr;
    LoraSet loras;
    for (const std::string& layer : layers) {
        const Tensor& weight = weight_of(parameters, layer);
        std::vector<std::int64_t> down = weight.sizes().vec();
        std::vector<std::int64_t> up(down.size(), 1);
        down[0] = up[1] = std::min({options.rank, weight.size(0), weight.size(1)});
        up[0] = weight.size(0);
        const auto floats = at::TensorOptions().dtype(at::kFloat).device(weight.device());
        Lora& lora = loras[layer];
        lora.down =
            started(down, options, generator).to(weight.device()).contiguous(layer_format(weight));
        lora.up = at::zeros(up, floats);
        lora.scale = alpha_of(options) / static_cast<double>(options.rank);
        Fingerprint name;
        name.add(layer);
        lora.dropout = {options.dropout, name.hash, pass};
    }
    return loras;
}

// As sd-scripts say it of a whole file.
struct Dimensions {
    std::int64_t rank = 0;
    double alpha = 0;
};

void add_tensors(TensorMap& tensors, const std::string& prefix, const LoraSet& loras,
                 Dimensions& largest) {
    for (const auto& [layer, lora] : loras) {
        std::string name = prefix + layer;
        std::replace(name.begin() + static_cast<std::ptrdiff_t>(prefix.size()), name.end(), '.',
                     '_');
        const std::int64_t rank = lora.down.size(0);
        const double alpha = lora.scale * static_cast<double>(rank);
        if (rank > largest.rank) largest = {rank, alpha};
        tensors[name + ".lora_down.weight"] = lora.down.detach();
        tensors[name + ".lora_up.weight"] = lora.up.detach();
        tensors[name + ".alpha"] = at::scalar_tensor(alpha, at::kFloat);
    }
}

}  // namespace

double alpha_of(const LoraOptions& options) {
    return options.alpha.value_or(static_cast<double>(options.rank));
}

void check(const LoraOptions& options) {
    if (options.rank < 1)
        throw Error("LoRA rank", std::to_string(options.rank) + " is not positive");
    const double alpha = alpha_of(options);
    if (!(alpha > 0) || !std::isfinite(alpha))
        throw Error("LoRA alpha", number_text(alpha) + " is not a positive number");
    if (!(options.dropout >= 0 && options.dropout < 1))
        throw Error("LoRA dropout", number_text(options.dropout) + " is not from 0 to below 1");
}

std::vector<std::string> lora_layers(const UNet& unet, LoraTargets targets) {
    std::vector<std::string> layers = lora_layers(unet);
    std::erase_if(layers, [&](const std::string& layer) {
        if (targets == LoraTargets::attention)
            return !contains(layer, ".attn1.") && !contains(layer, ".attn2.");
        return targets == LoraTargets::transformer && !contains(layer, "attentions.");
    });
    return layers;
}

std::vector<std::string> lora_layers(const TextEncoder& encoder, LoraTargets targets) {
    std::vector<std::string> layers;
    for (const auto& [name, tensor] : encoder.parameters()) {
        if (!name.ends_with(weight_suffix) || tensor.dim() != 2) continue;
        const bool attention = contains(name, ".self_attn.");
        if (!attention && (targets == LoraTargets::attention || !contains(name, ".mlp."))) continue;
        layers.push_back(name.substr(0, name.size() - weight_suffix.size()));
    }
    return layers;
}

LoraSet start_loras(const UNet& unet, const LoraOptions& options, at::Generator generator) {
    return start_on(unet.parameters(), lora_layers(unet, options.targets), options, generator);
}

LoraSet start_loras(const TextEncoder& encoder, const LoraOptions& options,
                    at::Generator generator) {
    return start_on(encoder.parameters(), lora_layers(encoder, options.targets), options,
                    generator);
}

TextEncoder with_loras(const TextEncoder& encoder, const LoraSet& loras) {
    for (const auto& [layer, lora] : loras) {
        const Tensor& weight = weight_of(encoder.parameters(), layer);
        const bool fits = weight.dim() == 2 && lora.down.dim() == 2 && lora.up.dim() == 2 &&
                          lora.down.size(0) > 0 && lora.down.size(1) == weight.size(1) &&
                          lora.up.size(0) == weight.size(0) && lora.up.size(1) == lora.down.size(0);
        if (!fits) throw Error("LoRA", layer + " does not fit the text encoder's weight");
    }
    const Tensor& norm = weight_of(encoder.parameters(), "final_layer_norm");
    Weights weights = Weights::from_tensors(encoder.parameters(), "text encoder");
    weights.set_target(norm.scalar_type(), norm.device());
    weights.keep_stored_precision();
    weights.set_loras(loras);
    return TextEncoder(encoder.config(), std::move(weights));
}

void save_loras(const std::filesystem::path& path, const LoraSet& unet, const LoraSet& text_encoder,
                std::map<std::string, std::string> metadata) {
    TensorMap tensors;
    Dimensions largest;
    add_tensors(tensors, unet_prefix, unet, largest);
    add_tensors(tensors, text_prefix, text_encoder, largest);
    metadata["ss_network_module"] = "networks.lora";
    metadata["ss_network_dim"] = std::to_string(largest.rank);
    metadata["ss_network_alpha"] = number_text(largest.alpha);
    write_safetensors(path, tensors, metadata);
}

}  // namespace keepsake::pipeline
