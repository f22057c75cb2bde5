#include "pipeline/text/added_words.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/text/clip_text.h"

namespace keepsake::pipeline {
namespace {

constexpr std::size_t longest_name = 64;  // characters

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
    throw Error("word '" + std::string(name) + "'", why);
}

// As the vocabulary spells it: each byte in the byte alphabet.
std::string spelled(std::u32string_view text) {
    std::string result;
    for (const char byte : to_utf8(text))
        result += byte_alphabet().at(static_cast<unsigned char>(byte));
    return result;
}

// "rose" -> "<rose>", which no vocabulary of CLIP has: its words are letters, digits or signs.
std::string proposal(std::u32string text) {
    std::erase_if(text, [](char32_t c) { return c == U'<' || c == U'>' || c == U'|'; });
    return "<" + (text.empty() ? "word" : to_utf8(text)) + ">";
}

bool holds_token(const AddedTokens& added, bool normalized, std::u32string_view text) {
    const std::vector<Piece> pieces = cut_at_tokens(added, normalized, text);
    return std::any_of(pieces.begin(), pieces.end(),
                       [](const Piece& piece) { return piece.token != nullptr; });
}

// Of what <|endoftext|> and its like would take out of the name first, or what is a word already.
void check_added(const AddedTokens& added, std::string_view name, std::u32string_view normal) {
    AddedTokens files;  // those of the tokenizer's own files
    for (std::size_t i = 0; i < added.tokens.size(); ++i) {
        if (!added.patterns[i].empty() && added.patterns[i] == normal)
            refuse(name, "is a token of this name already; call it otherwise");
        if (added.tokens[i].normalized) continue;
        files.tokens.push_back(added.tokens[i]);
        files.patterns.push_back(added.patterns[i]);
    }
    if (holds_token(files, false, from_utf8(name)))
        refuse(name, "has a token in it that the model knows; call it otherwise");
}

AddedToken word_token(std::string content, std::uint32_t id, std::size_t vectors) {
    AddedToken token;
    token.content = std::move(content);
    token.id = id;
    token.vectors = static_cast<std::uint32_t>(vectors);
    token.normalized = true;
    return token;
}

bool is_blank(const Piece& piece) {
    return !piece.token && std::all_of(piece.text.begin(), piece.text.end(), is_white_space);
}

}  // namespace

void check_word_name(const KnownTokens& known, std::string_view name) {
    const std::u32string normal = normalize_text(from_utf8(name));
    if (strip(normal).empty()) refuse(name, "is empty");
    if (strip(normal) != normal) refuse(name, "begins or ends with a blank");
    if (normal.size() > longest_name)
        refuse(name.substr(0, longest_name),
               "is longer than " + std::to_string(longest_name) + " characters");
    if (std::any_of(name.begin(), name.end(),
                    [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
        refuse(name, "has a line break or another control character in it");
    const std::string token = spelled(normal);
    if (known.vocabulary.find(token) || known.vocabulary.find(token + "</w>"))
        refuse(name,
               "is in the model's vocabulary, and texts with it would mean something else; '" +
                   proposal(normal) + "' is free");
    check_added(known.added, name, normal);
}

AddedTokens add_words(const KnownTokens& known, const std::vector<AddedWord>& words,
                      std::int64_t first_id) {
    AddedTokens added = known.added;
    std::int64_t id = first_id;
    for (const AddedWord& word : words) {
        check_word_name({known.vocabulary, added, known.room}, word.name);
        if (word.vectors < 1 || word.vectors > known.room)
            refuse(word.name, "has " + std::to_string(word.vectors) +
                                  " vectors; a text has room for 1 to " +
                                  std::to_string(known.room));
        std::vector<AddedToken> tokens;
        for (std::size_t i = 0; i < word.vectors; ++i, ++id) {
            const std::string content = i == 0 ? word.name : word.name + "_" + std::to_string(i);
            if (i > 0) check_added(added, content, normalize_text(from_utf8(content)));
            tokens.push_back(
                word_token(content, static_cast<std::uint32_t>(id), i == 0 ? word.vectors : 1));
        }
        const AddedTokens with = with_patterns(std::move(tokens));
        added.tokens.insert(added.tokens.end(), with.tokens.begin(), with.tokens.end());
        added.patterns.insert(added.patterns.end(), with.patterns.begin(), with.patterns.end());
    }
    return added;
}

void append_word(const std::vector<Piece>& pieces, std::size_t i, std::vector<std::int64_t>& ids) {
    const AddedToken& token = *pieces[i].token;
    std::size_t next = i + 1;
    if (next < pieces.size() && is_blank(pieces[next])) ++next;
    const bool spelled_out =
        next < pieces.size() && pieces[next].token && pieces[next].token->id == token.id + 1;
    const std::uint32_t count = token.vectors > 1 && spelled_out ? 1 : token.vectors;
    for (std::uint32_t k = 0; k < count; ++k) ids.push_back(std::int64_t{token.id} + k);
}

bool is_continued(const AddedTokens& added, std::int64_t before, std::int64_t id) {
    return id == before + 1 &&
           std::any_of(added.tokens.begin(), added.tokens.end(), [&](const AddedToken& token) {
               return id > token.id && id < std::int64_t{token.id} + token.vectors;
           });
}

}  // namespace keepsake::pipeline
