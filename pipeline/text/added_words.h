// Words that textual inversion (Gal et al., arXiv 2208.01618) adds to a vocabulary: a name in the
// text that stands for one or more vectors of its own.
//
// A name is found as transformers' tokenizers find a token that was added with add_tokens(): in the
// normalised text, so in any letter case, and wherever it stands, beside punctuation too ("a<x>,");
// the leftmost and then the longest wins. A name of n vectors stands for n ids. diffusers replaces
// it in the text by "<x> <x>_1 ... <x>_n-1" before it is tokenised, which misses names in other
// letters and spoils texts that are spelled out already; here it becomes its ids when it was found,
// and what is spelled out is taken as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/text/added_tokens.h"
#include "pipeline/text/bpe.h"

namespace keepsake::pipeline {

struct AddedWord {
    std::string name;         // UTF-8
    std::size_t vectors = 1;  // from 1 on
};

// What a tokenizer knows already.
struct KnownTokens {
    const Vocabulary& vocabulary;
    const AddedTokens& added;
    std::size_t room = 75;  // tokens of a text
};

// Throws Error naming `name` when it is empty, has line breaks or is longer than 64 characters, and
// when the vocabulary has it already, as a word or inside words: it would change what other texts
// mean. Then it proposes another one.
void check_word_name(const KnownTokens& known, std::string_view name);

// `known.added` with the words and their numbered vectors behind them. Throws Error as
// Tokenizer::with_words does.
AddedTokens add_words(const KnownTokens& known, const std::vector<AddedWord>& words,
                      std::int64_t first_id);

// Appends the ids of the word pieces[i]; its first alone where the text goes on with its second
// vector by itself, "<x> <x>_1".
void append_word(const std::vector<Piece>& pieces, std::size_t i, std::vector<std::int64_t>& ids);

// Whether `id` is the vector of a word that `before` is the one before of.
bool is_continued(const AddedTokens& added, std::int64_t before, std::int64_t id);

}  // namespace keepsake::pipeline
