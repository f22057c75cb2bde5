#include "pipeline/model/purpose.h"

namespace keepsake::pipeline {

Purpose purpose_of(const UNetConfig& unet, const VaeConfig& vae) {
    const std::int64_t latents = vae.latent_channels;
    // Another model's VAE may have half of the channels, as one of instructions has.
    if (unet.out_channels != latents) return Purpose::unknown;
    if (unet.in_channels == latents) return Purpose::pictures;
    if (unet.in_channels == 2 * latents + 1) return Purpose::inpainting;
    if (unet.in_channels == 2 * latents) return Purpose::instructions;
    return Purpose::unknown;
}

}  // namespace keepsake::pipeline
