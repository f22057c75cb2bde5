#include "pipeline/networks/lora.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/networks/lora_start.h"

namespace keepsake::pipeline {

namespace {

constexpr std::string_view weight_suffix = ".weight";
constexpr std::string_view down_suffix = ".lora_down.weight";
constexpr std::string_view up_suffix = ".lora_up.weight";
constexpr std::string_view alpha_suffix = ".alpha";
const std::string kohya_prefix = "lora_unet_";

std::string kohya_name(std::string layer) {
    std::replace(layer.begin(), layer.end(), '.', '_');
    return kohya_prefix + layer;
}

Weights share_weights(const UNet& unet) {
    const Tensor& any = unet.parameters().begin()->second;  // a bias: in working precision
    Weights weights = Weights::from_tensors(unet.parameters(), "U-Net");
    weights.set_target(any.scalar_type(), any.device());
    weights.set_arithmetic(unet.arithmetic());
    weights.keep_stored_precision();
    return weights;
}

const Tensor& weight_of(const UNet& unet, const std::string& layer) {
    const auto found = unet.parameters().find(layer + std::string(weight_suffix));
    if (found == unet.parameters().end()) throw Error("LoRA", "the U-Net has no layer " + layer);
    return found->second;
}

// A convolution's matrices are convolutions, a matrix's matrices.
void check_shapes(const UNet& unet, const std::string& layer, const Lora& lora) {
    const Tensor& weight = weight_of(unet, layer);
    std::vector<std::int64_t> down = weight.sizes().vec();
    std::vector<std::int64_t> up(down.size(), 1);
    // A scalar has no size, and a rank of 0 no scale.
    const std::int64_t rank = lora.down.dim() > 0 ? lora.down.size(0) : 0;
    if (rank < 1) throw Error("LoRA", layer + " has no rank");
    down[0] = up[1] = rank;
    up[0] = weight.size(0);
    if (lora.down.sizes() != down || lora.up.sizes() != up)
        throw Error("LoRA", layer + " does not fit the U-Net's weight");
}

}  // namespace

std::vector<std::string> lora_layers(const UNet& unet) {
    std::vector<std::string> layers;
    for (const auto& [name, tensor] : unet.parameters()) {
        if (!name.ends_with(weight_suffix) || tensor.dim() < 2) continue;
        const std::string layer = name.substr(0, name.size() - weight_suffix.size());
        if (layer == "conv_in" || layer == "conv_out" || layer.find("time_emb") != layer.npos)
            continue;
        layers.push_back(layer);
    }
    return layers;
}

LoraSet make_loras(const UNet& unet, std::int64_t rank, at::Generator generator) {
    if (rank < 1) throw Error("LoRA rank", std::to_string(rank) + " is not positive");
    LoraSet loras;
    for (const std::string& layer : lora_layers(unet)) {
        const Tensor& weight = weight_of(unet, layer);
        std::vector<std::int64_t> down = weight.sizes().vec();
        std::vector<std::int64_t> up(down.size(), 1);
        down[0] = up[1] = std::min({rank, weight.size(0), weight.size(1)});
        up[0] = weight.size(0);
        const double fan_in = static_cast<double>(weight.numel() / weight.size(0));
        const auto options = at::TensorOptions().dtype(at::kFloat);
        Lora lora;
        lora.down = (at::randn(down, generator, options) / std::sqrt(fan_in))
                        .to(weight.device())
                        .contiguous(layer_format(weight));
        lora.up = at::zeros(up, options.device(weight.device()));
        loras[layer] = std::move(lora);
    }
    return loras;
}

UNet with_loras(const UNet& unet, const LoraSet& loras) {
    for (const auto& [layer, lora] : loras) check_shapes(unet, layer, lora);
    Weights weights = share_weights(unet);
    weights.set_loras(loras);
    return UNet(unet.config(), std::move(weights));
}

UNet merge_loras(const UNet& unet, const LoraSet& loras) {
    const at::NoGradGuard no_grad;
    const UNet merged = unet.clone();
    for (const auto& [layer, lora] : loras) {
        check_shapes(unet, layer, lora);
        Tensor weight = weight_of(merged, layer);
        const Tensor change = lora.up.flatten(1).mm(lora.down.flatten(1)) * lora.scale;
        weight.add_(change.reshape(weight.sizes()).to(weight.scalar_type()));
    }
    return merged;
}

UNet apply_loras(const UNet& unet, const LoraSet& loras) {
    return share_weights(unet).packed() ? merge_loras(unet, loras) : with_loras(unet, loras);
}

std::shared_ptr<LoraPass> pass_of(const LoraSet& loras) {
    return loras.empty() ? nullptr : loras.begin()->second.dropout.pass;
}

TensorMap lora_tensors(const LoraSet& loras) {
    TensorMap tensors;
    for (const auto& [layer, lora] : loras) {
        tensors[layer + std::string(down_suffix)] = lora.down;
        tensors[layer + std::string(up_suffix)] = lora.up;
    }
    return tensors;
}

LoraSet loras_from_tensors(const TensorMap& tensors, const std::string& source) {
    LoraSet loras;
    for (const auto& [name, tensor] : tensors) {
        const bool down = name.ends_with(down_suffix);
        if (!down && !name.ends_with(up_suffix))
            throw Error(source, "the tensor " + name + " belongs to no LoRA");
        Lora& lora = loras[name.substr(0, name.size() - (down ? down_suffix : up_suffix).size())];
        (down ? lora.down : lora.up) = tensor;
    }
    for (const auto& [layer, lora] : loras)
        if (!lora.down.defined() || !lora.up.defined())
            throw Error(source, "has one matrix of " + layer + " and lacks the other");
    return loras;
}

void save_loras(const std::filesystem::path& path, const LoraSet& loras,
                std::map<std::string, std::string> metadata) {
    save_loras(path, loras, {}, std::move(metadata));
}

LoraSet load_loras(const std::filesystem::path& path, const UNet& unet) {
    const SafetensorsFile file(path);
    const Tensor& any = unet.parameters().begin()->second;
    std::map<std::string, std::string> layers;  // by their names in the file
    for (const std::string& layer : lora_layers(unet)) layers[kohya_name(layer)] = layer;
    TensorMap tensors;
    std::map<std::string, double> alphas;
    for (const auto& [name, info] : file.tensors()) {
        const std::size_t dot = name.find('.');
        const auto layer = layers.find(name.substr(0, dot));
        if (dot == name.npos || layer == layers.end())
            throw Error(path.string(), "the tensor " + name + " fits no layer of this U-Net");
        const std::string part = name.substr(dot);
        if (part == alpha_suffix) {
            alphas[layer->second] = file.read(name, at::kDouble).sum().item<double>();
        } else {
            const Tensor tensor = file.read(name, at::kFloat).to(any.device());
            tensors[layer->second + part] = tensor.contiguous(layer_format(tensor));
        }
    }
    LoraSet loras = loras_from_tensors(tensors, path.string());
    for (auto& [layer, lora] : loras) {
        check_shapes(unet, layer, lora);
        if (const auto alpha = alphas.find(layer); alpha != alphas.end())
            lora.up = lora.up * (alpha->second / static_cast<double>(lora.down.size(0)));
    }
    return loras;
}

}  // namespace keepsake::pipeline
