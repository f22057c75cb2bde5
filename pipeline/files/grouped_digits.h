// A large number as a person reads it.
#pragma once

#include <cstdint>
#include <string>

namespace keepsake {

// In groups of three digits: "23,961,600".
std::string grouped_digits(std::int64_t number);

}  // namespace keepsake
