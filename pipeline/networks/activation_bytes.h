// What a U-Net keeps of a forward pass that will be differentiated.
#pragma once

#include <cstdint>

#include "pipeline/networks/unet.h"

namespace keepsake::pipeline {

// Bytes that UNet::operator() with Activations::kept holds on to until the backward pass, for
// `batch` pictures of (height, width) latents and texts of `tokens`: what the layers save, added up
// from the network's shapes. For all weights; a LoRA saves up to a tenth more, and where the text
// alone learns it is less, by a third with LibTorch's operators.
std::int64_t activation_bytes(const UNet& unet, std::int64_t batch, std::int64_t height,
                              std::int64_t width, std::int64_t tokens = 77);

}  // namespace keepsake::pipeline
