// Numbers that look drawn, of numbers that do not.
#pragma once

#include <cstdint>

namespace keepsake::pipeline {

// SplitMix64's finaliser (Steele et al., OOPSLA 2014): neighbouring inputs give unrelated numbers.
constexpr std::uint64_t mixed(std::uint64_t z) {
    z += 0x9E3779B97F4A7C15ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

}  // namespace keepsake::pipeline
