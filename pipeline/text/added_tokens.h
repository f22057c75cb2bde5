// Tokens that are recognised in the text itself, before byte-pair encoding: <|endoftext|> and what
// a tokenizer's configuration adds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

struct AddedToken {
    std::string content;  // as the configuration spells it
    std::uint32_t id = 0;
    std::uint32_t vectors = 1;  // it stands for this many ids, from `id` on
    bool special = false;       // left out of decoded text
    bool normalized = false;    // looked for in the normalised text, in its own normalised spelling
    bool single_word = false;   // only where no word character touches it
    bool lstrip = false;        // takes the white space on its left with it
    bool rstrip = false;        // and on its right

    bool operator==(const AddedToken&) const = default;
};

// Some text between tokens, or one token.
struct Piece {
    std::u32string_view text;
    const AddedToken* token = nullptr;  // nullptr for text
};

struct AddedTokens {
    std::vector<AddedToken> tokens;
    std::vector<std::u32string> patterns;  // patterns[i] is what is looked for as tokens[i]
};

// `tokens` with the patterns that they are looked for by.
AddedTokens with_patterns(std::vector<AddedToken> tokens);

// Cuts `text` at the tokens whose `normalized` is the one given; the leftmost, then the longest,
// wins. The pieces are views into `text` and pointers into `added`, none of them empty text.
std::vector<Piece> cut_at_tokens(const AddedTokens& added, bool normalized,
                                 std::u32string_view text);

}  // namespace keepsake::pipeline
