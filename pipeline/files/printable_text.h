// A stranger's text on a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keepsake {

// `text` as it may be printed: line breaks and tabs stay, other control characters and those that
// turn the direction of writing are spelled out (an escape as \x1b), malformed UTF-8 is U+FFFD.
// What is longer than `most` bytes is cut, and says by how much.
std::string printable(std::string_view text, std::size_t most = 20'000);

}  // namespace keepsake
