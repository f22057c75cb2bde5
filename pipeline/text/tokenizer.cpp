#include "pipeline/text/tokenizer.h"

#include <algorithm>

#include "pipeline/text/added_words.h"
#include "pipeline/text/clip_text.h"
#include "pipeline/text/tokenizer_files.h"

namespace keepsake::pipeline {
namespace {

void encode_words(const Bpe& bpe, std::u32string_view text, std::vector<std::int64_t>& ids) {
    for (const std::u32string_view word : split_words(text)) encode_word(bpe, to_utf8(word), ids);
}

// How a token is spelled in decoded text; empty for an id that no token has. An added token that is
// looked for in normalised text is spelled that way too.
std::string spelling(const Vocabulary& vocabulary, const AddedTokens& added, std::int64_t id) {
    for (std::size_t i = 0; i < added.tokens.size(); ++i)
        if (added.tokens[i].id == id) return to_utf8(added.patterns[i]);
    if (id < 0 || static_cast<std::uint64_t>(id) >= vocabulary.end_id()) return {};
    return std::string(vocabulary.token(static_cast<std::uint32_t>(id)));
}

bool is_special(const AddedTokens& added, const std::string& spelled) {
    return std::any_of(added.tokens.begin(), added.tokens.end(), [&](const AddedToken& token) {
        return token.special && token.content == spelled;
    });
}

// "</w>", the end of a word, as a space.
std::string with_spaces(std::string_view text) {
    constexpr std::string_view kEndOfWord = "</w>";
    std::string result;
    while (true) {
        const std::size_t at = text.find(kEndOfWord);
        result += text.substr(0, at);
        if (at == text.npos) return result;
        result += ' ';
        text.remove_prefix(at + kEndOfWord.size());
    }
}

}  // namespace

Tokenizer::Tokenizer(const std::filesystem::path& folder)
    : tables_(std::make_shared<const TokenizerTables>(read_tokenizer(folder))),
      added_(tables_, &tables_->added),
      pad_id_(tables_->pad_id) {}

Tokenized Tokenizer::operator()(std::string_view text) const {
    const std::vector<std::int64_t> all = encode(text);
    Tokenized result;
    result.text_tokens = std::min(all.size(), max_length() - 2);
    result.cut_tokens = all.size() - result.text_tokens;
    const auto cut = all.begin() + static_cast<std::ptrdiff_t>(result.text_tokens);
    result.cut_text = decode({cut, all.end()});

    result.ids.reserve(max_length());
    result.ids.push_back(start_id());
    result.ids.insert(result.ids.end(), all.begin(), cut);
    result.ids.push_back(end_id());
    result.ids.resize(max_length(), pad_id());
    return result;
}

std::vector<std::int64_t> Tokenizer::encode(std::string_view text) const {
    std::vector<std::int64_t> ids;
    const std::u32string characters = from_utf8(text);
    for (const Piece& raw : cut_at_tokens(*added_, false, characters)) {
        if (raw.token) {
            ids.push_back(raw.token->id);
            continue;
        }
        const std::u32string normal = normalize_text(raw.text);
        const std::vector<Piece> pieces = cut_at_tokens(*added_, true, normal);
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            if (pieces[i].token)
                append_word(pieces, i, ids);
            else
                encode_words(tables_->bpe, pieces[i].text, ids);
        }
    }
    return ids;
}

std::string Tokenizer::decode(const std::vector<std::int64_t>& ids) const {
    std::string bytes;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i > 0 && is_continued(*added_, ids[i - 1], ids[i])) continue;
        const std::string spelled = spelling(tables_->bpe.vocabulary, *added_, ids[i]);
        if (!is_special(*added_, spelled)) bytes += token_bytes(spelled);
    }
    // From UTF-8 only now: the bytes of one character may lie in several tokens.
    const std::u32string text = from_utf8(with_spaces(bytes));
    return to_utf8(strip(text));
}

std::int64_t Tokenizer::start_id() const {
    return tables_->start_id;
}
std::int64_t Tokenizer::end_id() const {
    return tables_->end_id;
}
std::int64_t Tokenizer::pad_id() const {
    return pad_id_;
}

Tokenizer Tokenizer::with_pad_id(std::int64_t id) const {
    Tokenizer other = *this;
    other.pad_id_ = id;
    return other;
}

std::int64_t Tokenizer::next_id() const {
    auto next = static_cast<std::int64_t>(tables_->bpe.vocabulary.end_id());
    for (const AddedToken& token : added_->tokens)
        next = std::max(next, std::int64_t{token.id} + 1);
    return next;
}

Tokenizer Tokenizer::with_words(const std::vector<AddedWord>& words, std::int64_t first_id) const {
    Tokenizer other = *this;
    other.added_ = std::make_shared<const AddedTokens>(
        add_words({tables_->bpe.vocabulary, *added_, max_length() - 2}, words, first_id));
    return other;
}

std::size_t Tokenizer::max_length() const {
    return tables_->max_length;
}

}  // namespace keepsake::pipeline
