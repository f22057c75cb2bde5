// Whether a U-Net that learns listens to its words yet: the early sign, long before its pictures
// show it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "optimize/learn/pictures.h"

namespace keepsake::optimize {

// The denoising loss at a timestep, with each picture's own caption, with another picture's, and
// with none. Where words are listened to, right < none < wrong.
struct WordsLoss {
    std::int64_t timestep = 0;
    double right = 0, wrong = 0, without = 0;
};

// Means over up to 32 of `pictures` (LearnPicture, each with its first caption), with noise that is
// always the same, at eight timesteps, the middles of equal parts. A picture's wrong caption is
// that of the next one that has another. No gradients. Empty where no two captions differ. The
// schedule, text encoder and tokens are the task's.
std::vector<WordsLoss> check_words(const PictureTask& task, const pipeline::UNet& unet,
                                   const std::vector<LearnPicture>& pictures);

// The share by which the wrong caption's loss is larger, over all timesteps: 0 where the words say
// nothing.
double words_gap(const std::vector<WordsLoss>& losses);

}  // namespace keepsake::optimize
