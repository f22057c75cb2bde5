// In which order pictures are learned: in rounds, each of which takes every picture as often as it
// is repeated, in batches of one shape, shuffled anew.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "optimize/training/draws.h"

namespace keepsake::optimize {

// What is taken of one shape (a bucket): pictures by their number, repeated ones several times.
using PictureGroup = std::vector<std::int64_t>;

class Rounds {
  public:
    // Throws Error when there is no picture, and naming a batch size that is not positive.
    Rounds(std::vector<PictureGroup> groups, std::int64_t batch_size, std::uint64_t seed,
           Stream stream);

    // The pictures of batch `index`, counted from 0 through all rounds: of one group, and no more
    // than the batch size (the last of a group in a round may be less). By (seed, stream, index)
    // alone, so that a training that was stopped goes on with the same.
    std::vector<std::int64_t> batch(std::int64_t index);

    std::int64_t batches() const;  // of a round

  private:
    std::vector<std::vector<std::int64_t>> batches_of(std::int64_t round) const;

    std::vector<PictureGroup> groups_;
    std::int64_t batch_size_;
    std::uint64_t seed_;
    Stream stream_;
    std::int64_t round_ = -1;  // that is in batches_
    std::vector<std::vector<std::int64_t>> batches_;
};

}  // namespace keepsake::optimize
