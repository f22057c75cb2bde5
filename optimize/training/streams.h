// Who draws, beyond Imagic's stages (training/draws.h): what learns from pictures.
#pragma once

#include "optimize/training/draws.h"

namespace keepsake::optimize::streams {

// The values are part of what a seed means.
inline constexpr Stream pictures{3};            // pairs, and a LoRA's start
inline constexpr Stream noise_offset{4};        // training/noising.h
inline constexpr Stream input_perturbation{5};  // likewise
inline constexpr Stream picture_order{6};       // training/rounds.h
inline constexpr Stream captions{7};            // which of several, and which are dropped
inline constexpr Stream prior_order{8};         // of the class's pictures
inline constexpr Stream prior_pictures{9};      // their pairs
inline constexpr Stream lora_dropout{10};       // each sample's number

}  // namespace keepsake::optimize::streams
