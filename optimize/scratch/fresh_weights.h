// Networks that begin from nothing: the weights that PyTorch's layers start with.
#pragma once

#include <cstdint>

#include "pipeline/networks/unet.h"
#include "pipeline/networks/vae.h"
#include "pipeline/networks/weights.h"

namespace keepsake::optimize {

// torch.nn's reset_parameters: matrices and convolutions uniform in +-1/sqrt(fan in) (Kaiming
// uniform with a = sqrt(5), He et al., arXiv 1502.01852), their biases alike, the gains of norms 1
// and their biases 0. Each tensor depends on the seed and its name alone.
pipeline::Weights::Maker fresh_weights(std::uint64_t seed);

// Throw Error naming what of the config makes no network.
pipeline::UNet fresh_unet(const pipeline::UNetConfig& config, std::uint64_t seed);
pipeline::Vae fresh_vae(const pipeline::VaeConfig& config, std::uint64_t seed);

}  // namespace keepsake::optimize
