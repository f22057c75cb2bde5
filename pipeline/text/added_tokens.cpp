#include "pipeline/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "pipeline/text/clip_text.h"

namespace keepsake::pipeline {
namespace {

// Index of the longest token whose pattern `text` begins with, or the number of tokens.
std::size_t longest_at(const AddedTokens& added, bool normalized, std::u32string_view text) {
    std::size_t best = added.tokens.size();
    for (std::size_t i = 0; i < added.tokens.size(); ++i) {
        const std::u32string& pattern = added.patterns[i];
        if (added.tokens[i].normalized != normalized || pattern.empty()) continue;
        if (!text.starts_with(pattern)) continue;
        if (best == added.tokens.size() || pattern.size() > added.patterns[best].size()) best = i;
    }
    return best;
}

bool touches_word(std::u32string_view text, std::size_t begin, std::size_t end) {
    return (begin > 0 && is_word_character(text[begin - 1])) ||
           (end < text.size() && is_word_character(text[end]));
}

}  // namespace

AddedTokens with_patterns(std::vector<AddedToken> tokens) {
    AddedTokens added{std::move(tokens), {}};
    for (const AddedToken& token : added.tokens) {
        std::u32string pattern = from_utf8(token.content);
        added.patterns.push_back(token.normalized ? normalize_text(pattern) : std::move(pattern));
    }
    return added;
}

std::vector<Piece> cut_at_tokens(const AddedTokens& added, bool normalized,
                                 std::u32string_view text) {
    std::vector<Piece> pieces;
    std::size_t done = 0;  // text before this is in pieces
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t index = longest_at(added, normalized, text.substr(at));
        if (index == added.tokens.size()) {
            ++at;
            continue;
        }
        const AddedToken& token = added.tokens[index];
        std::size_t begin = at, end = at + added.patterns[index].size();
        at = end;
        if (token.single_word && touches_word(text, begin, end)) continue;
        if (token.lstrip)
            while (begin > done && is_white_space(text[begin - 1])) --begin;
        if (token.rstrip)
            while (end < text.size() && is_white_space(text[end])) ++end;
        // A token of spaces may lie in what the last one took on its right.
        begin = std::max(begin, done);
        end = std::max(end, begin);
        if (begin > done) pieces.push_back({text.substr(done, begin - done), nullptr});
        pieces.push_back({text.substr(begin, end - begin), &token});
        done = end;
    }
    if (done < text.size()) pieces.push_back({text.substr(done), nullptr});
    return pieces;
}

}  // namespace keepsake::pipeline
