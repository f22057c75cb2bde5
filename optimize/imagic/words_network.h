// The network whose words an edit is pulled by (pipeline/model/generate_edits.h).
#pragma once

#include "optimize/imagic/imagic.h"

namespace keepsake::optimize {

// How much of stage B the network that is asked about the words keeps. All of it knows the photo so
// well that words hardly move it; none of it knows nothing of what e_opt means in this photo
// (docs/fast-mode.md).
inline constexpr double words_share = 0.25;

// pretrained + share (tuned - pretrained), by the LoRA's matrices where there is one. `pretrained`
// itself where nothing is tuned yet. share: 0 to 1.
pipeline::UNet words_network(const pipeline::UNet& pretrained, const Tuning& tuning,
                             double share = words_share);

}  // namespace keepsake::optimize
