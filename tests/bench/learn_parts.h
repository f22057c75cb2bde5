// Steps of what learns beside Imagic, for keepsake_bench: as the program takes them.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "pipeline/model/model.h"

namespace keepsake::bench {

// Seconds of a step of
//   learn-word      textual inversion, one vector, one picture
//   learn-subject   LoRA of rank 4 on attention, of the text encoder too, with prior preservation
//   learn-captions  LoRA of rank 4 on attention, four pictures, min-SNR 5
//   scratch-unet    all weights with averages, eight pictures, min-SNR 5
//   scratch-vae     the autoencoder from nothing, with averages, eight pictures
// latents: (1, C, h, w) of a picture of the model's size. Throws Error naming another part.
double time_learning(const std::string& part, const pipeline::Model& model,
                     const at::Tensor& latents, int iterations);

}  // namespace keepsake::bench
