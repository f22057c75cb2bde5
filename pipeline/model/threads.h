// How many threads compute: measured, because it depends on the processor, on who else is at work
// on it, and on the network. A small one's layers take 10 to 50 microseconds each, after which the
// threads wait for each other. What is computed does not depend on it
// (tests/pipeline/model/same_numbers_test.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "pipeline/compute/usable_cores.h"
#include "pipeline/networks/unet.h"

namespace keepsake::pipeline {

// OMP_NUM_THREADS, "4" or "4,2" of which the first counts -> what the user allows; none where it is
// null or malformed.
std::optional<int> parse_omp_num_threads(const char* omp_num_threads);

// The numbers that are worth measuring, from few to many: all the CPUs, a thread a core and halves
// of that; of a large network, which keeps every core busy, only the first two. None is above
// `allowed`.
std::vector<int> thread_candidates(const UsableCores& cores, std::optional<int> allowed,
                                   bool large_network);

// The same work with fewer and with more threads, in seconds.
struct Race {
    double fewer = 0, more = 0;
};

// Goes up through `candidates` (not empty, ascending) while more threads are faster by more than 3
// percent. A tie goes to the fewer: they leave cores to the window and to other programs, and are
// held up by them less. Up, not down, because too many threads can be slower by far than too few,
// so this way round the measuring itself is quick.
int choose_threads(const std::vector<int>& candidates,
                   const std::function<Race(int fewer, int more)>& race);

// Where nothing is measured: one a core that is usable, no more than OMP_NUM_THREADS.
int default_threads(const UsableCores& cores = usable_cores());

// Lets the U-Net's passes (2, in_channels, height, width), or for a large network its first level,
// run with the candidates by turns and makes the best number LibTorch's for the calling thread and
// those that first use LibTorch from now on. Returns it. No more than OMP_NUM_THREADS. At once
// where there is one candidate, and where others than the kernels compute, which gets
// default_threads(); else some 50 milliseconds for a small network. height, width: of the latents.
int measure_threads(const UNet& unet, std::int64_t height, std::int64_t width,
                    const UsableCores& cores = usable_cores());

}  // namespace keepsake::pipeline
