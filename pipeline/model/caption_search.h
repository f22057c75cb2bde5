// Which caption a decoder writes: greedy and beam search as transformers' generate() has them (ids
// pinned in tests/goldens).
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/networks/blip_decoder.h"

namespace keepsake::pipeline {

inline constexpr std::int64_t most_beams = 32;

struct CaptionSearch {
    std::int64_t beams = 1;  // 1: greedy; Salesforce's demo: 3
    std::int64_t least = 0;  // tokens that are written before an end is taken
    std::int64_t most = 20;  // at which it ends; transformers' 20
};

// Throws Error naming numbers below 1, `least` above `most`, and a length after `start` tokens that
// the decoder has no places for.
void check_search(const CaptionSearch& search, std::size_t start, const BlipDecoderConfig& config);

// image: (1, patches + 1, image_hidden_size); start: the ids that the caption begins with, not
// empty -> those and the ones found, with the end where it was reached. Beam search: the score is
// the mean log-probability of what was written; it goes on as long as the best unfinished caption
// is better than the worst of `beams` finished ones. Throws Error as check_search does.
std::vector<std::int64_t> search_caption(const BlipDecoder& decoder, const Tensor& image,
                                         const std::vector<std::int64_t>& start,
                                         const CaptionSearch& search = {});

}  // namespace keepsake::pipeline
