#include "optimize/imagic/words_network.h"

#include <ATen/core/grad_mode.h>

namespace keepsake::optimize {

pipeline::UNet words_network(const pipeline::UNet& pretrained, const Tuning& tuning, double share) {
    const at::NoGradGuard no_grad;
    if (!tuning.unet) return pretrained;
    if (!tuning.loras.empty()) {
        pipeline::LoraSet part;
        for (const auto& [layer, lora] : tuning.loras) {
            part[layer].down = lora.down;
            part[layer].up = lora.up * share;
        }
        return pipeline::apply_loras(pretrained, part);
    }
    pipeline::UNet between = pretrained.clone();
    for (const auto& [name, tensor] : between.parameters()) {
        Tensor weight = tensor;
        weight.lerp_(tuning.unet->parameters().at(name).to(weight.scalar_type()), share);
    }
    return between;
}

}  // namespace keepsake::optimize
