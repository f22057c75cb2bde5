// What a model's network was made for, which its input channels say.
#pragma once

#include "pipeline/networks/unet.h"
#include "pipeline/networks/vae.h"

namespace keepsake::pipeline {

enum class Purpose {
    pictures,      // of a text: it takes the latents that it draws
    inpainting,    // and a mask and the latents of the masked picture
    instructions,  // and a picture's latents, to edit that picture (InstructPix2Pix)
    unknown
};
Purpose purpose_of(const UNetConfig& unet, const VaeConfig& vae);

}  // namespace keepsake::pipeline
