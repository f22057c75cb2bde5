// A U-Net from nothing: the values that suit one. It is learned by the recipe of pictures and
// captions (optimize/learn/pictures.h), with all weights.
#pragma once

#include "optimize/learn/pictures.h"

namespace keepsake::optimize {

// 20,000 steps of 32; rate 1e-4 (latent-diffusion, diffusers' train_unconditional.py), 500 steps of
// warm-up and half a cosine (the latter's); weight decay 0.01 (train_text_to_image.py); a tenth of
// the captions left out (latent-diffusion); min-SNR 5 (Hang et al., arXiv 2303.09556); averages
// with decay 0.9999 and warm-up of power 3/4 (train_unconditional.py).
PictureOptions unet_options();

}  // namespace keepsake::optimize
