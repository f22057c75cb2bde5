// How CLIP's tokenizer reads text before byte-pair encoding: normal form, white space, lower case,
// words. The reference is transformers' CLIPTokenizer (tests/goldens), whose parts each follow a
// Unicode version of their own; clip_text.cpp names them and holds ICU to them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

// Malformed bytes become U+FFFD as in Python's decode("utf-8", "replace"): one for each maximal
// subpart of a sequence.
std::u32string from_utf8(std::string_view text);
// `text` has no surrogates and nothing above U+10FFFF.
std::string to_utf8(std::u32string_view text);

// NFC, then each run of white space to one space, then each character to lower case on its own (a
// final sigma is a sigma).
std::u32string normalize_text(std::u32string_view text);

// The words of a normalised text, views into it: the contractions 's 't 're 've 'm 'll 'd, runs of
// letters, single digits, and runs of what is neither letter, digit nor space. Spaces are dropped.
std::vector<std::u32string_view> split_words(std::u32string_view text);

bool is_white_space(char32_t c);
// What a regular expression's \w matches.
bool is_word_character(char32_t c);
// Without the white space at both ends, as Python's str.strip (U+001C to U+001F count too).
std::u32string_view strip(std::u32string_view text);

}  // namespace keepsake::pipeline
