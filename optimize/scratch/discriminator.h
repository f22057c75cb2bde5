// Tells pictures from what an autoencoder brings back, patch by patch: what makes a decoder draw
// texture where the mean of all that could be there is blurred (Isola et al., arXiv 1611.07004,
// "PatchGAN"; Esser et al., arXiv 2012.09841, equations 5 to 7, as latent-diffusion's autoencoders
// learn with it).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "pipeline/networks/weights.h"

namespace keepsake::optimize {

using at::Tensor;
using pipeline::TensorMap;

// Four convolutions of 4x4 pixels, 64 to 512 channels wide, three of them of stride 2, each but the
// first normed, and one to a number. The norms are of each picture by itself (Ulyanov et al., arXiv
// 1607.08022), which pix2pix has beside those over the batch: so what a picture is told does not
// depend on which others are computed with it.
class Discriminator {
  public:
    // Names as in taming-transformers' NLayerDiscriminator, "main.0.weight". Throws Error naming
    // what is missing.
    explicit Discriminator(TensorMap weights);
    // As pix2pix starts it: convolutions normal with standard deviation 0.02, gains 1, biases 0.
    static Discriminator fresh(std::uint64_t seed);

    // pictures: (B, 3, H, W) in [-1, 1], 32 pixels a side at least -> (B, 1, H / 8 - 2, W / 8 - 2),
    // large where a patch is taken for a picture's. Differentiable in pictures and weights.
    Tensor operator()(const Tensor& pictures) const;
    Discriminator on(at::Device device) const;
    // The same with weights that take no gradient: what a decoder learns by.
    Discriminator held() const;

    const TensorMap& parameters() const { return weights_; }

  private:
    TensorMap weights_;
};

// The hinge loss (Lim & Ye, arXiv 1705.02894): half the mean of max(0, 1 - real) and
// max(0, 1 + fake). () float32.
Tensor hinge_loss(const Tensor& real, const Tensor& fake);

struct AdversarialOptions {
    // Of the term beside the decoder's other losses, before adaptive_share. 0: no discriminator.
    double weight = 0;
    std::int64_t begins = 0;  // the step from which on it counts, and the discriminator learns
};

// Esser et al., equation 7: how large the gradient of `others` is in the decoder's last weight
// beside that of `adversarial`, at most 1e4, as a constant. Both must depend on it.
Tensor adaptive_share(const Tensor& others, const Tensor& adversarial, const Tensor& last_weight);

// What is added to the loss `others` of a step so that decoder and discriminator learn at once,
// each by its own: weight * adaptive_share * -mean(what the discriminator says of `decoded`), and
// the hinge loss of `pictures` and `decoded`, of which no gradient goes on to the decoder. Both (B,
// 3, H, W) in [-1, 1].
Tensor adversarial_terms(const Discriminator& discriminator, const Tensor& pictures,
                         const Tensor& decoded, const Tensor& others, const Tensor& last_weight,
                         double weight);

}  // namespace keepsake::optimize
