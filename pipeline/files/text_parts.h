// Small things that are done to texts in many places.
#pragma once

#include <string>
#include <string_view>

namespace keepsake {

// Without the characters of `blank` at both ends.
std::string_view trimmed(std::string_view text, std::string_view blank = " \t\r\n\v\f");

// `to` in place of each `from`, from left to right; what is put in is not looked at again.
void replace_all(std::string& text, std::string_view from, std::string_view to);

// "a" or "an", as `word` begins: by its first letter, small.
std::string_view article_of(std::string_view word);

}  // namespace keepsake
