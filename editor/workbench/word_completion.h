// Words that a text begins to spell.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace keepsake::editor {

struct WordCompletion {
    std::size_t from = 0;  // the byte in the text at which what is typed of the name begins
    std::string name;
};

// Of `names` those of which the text before the byte `cursor` spells the beginning, in any letter
// case, with or without a "<" that they begin with; at least two bytes of it, or the "<", at the
// beginning of a word. In the order of `names`.
std::vector<WordCompletion> complete_word(const std::string& text, std::size_t cursor,
                                          const std::vector<std::string>& names);

// The text with the name whole; `cursor` goes behind it.
std::string completed(const std::string& text, const WordCompletion& completion,
                      std::size_t& cursor);

}  // namespace keepsake::editor
