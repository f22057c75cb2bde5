// Whether a U-Net is faster in bfloat16 on this processor: tried, because having the instruction
// does not mean it. An Emerald Rapids without AMX multiplies in bfloat16 on one port where it has
// two for float32; a Zen 4 takes twice as many numbers an instruction on the same ports
// (docs/speed.md).
#pragma once

#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline {

// Seconds that the kernels of an arithmetic take for the two kinds of work in which the arithmetics
// differ.
struct KernelSeconds {
    double product = 0;
    double convolution = 0;
};

struct KernelRace {
    KernelSeconds one, other;
};
// Runs both by turns on this thread, some milliseconds: the clock's changes are the same for both.
KernelRace race(const kernels::Kernels& one, const kernels::Kernels& other);

// Whether bfloat16 takes clearly less time over both kinds, each counted by its share of the time
// of Stable Diffusion's U-Net in float32.
bool bfloat16_pays(const KernelSeconds& float32, const KernelSeconds& bfloat16);

}  // namespace keepsake::pipeline
