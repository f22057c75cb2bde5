#include "pipeline/text/tokenizer.h"

#include <algorithm>

#include "pipeline/text/clip_text.h"
#include "pipeline/text/tokenizer_files.h"

namespace keepsake::pipeline {
namespace {

void encode_words(const Bpe& bpe, std::u32string_view text, std::vector<std::int64_t>& ids) {
    for (const std::u32string_view word : split_words(text)) encode_word(bpe, to_utf8(word), ids);
}

// How a token is spelled in decoded text; empty for an id that no token has. An added token that is
// looked for in normalised text is spelled that way too.
std::string spelling(const TokenizerTables& tables, std::int64_t id) {
    for (std::size_t i = 0; i < tables.added.tokens.size(); ++i)
        if (tables.added.tokens[i].id == id) return to_utf8(tables.added.patterns[i]);
    if (id < 0 || static_cast<std::uint64_t>(id) >= tables.bpe.vocabulary.end_id()) return {};
    return std::string(tables.bpe.vocabulary.token(static_cast<std::uint32_t>(id)));
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
    : tables_(std::make_shared<const TokenizerTables>(read_tokenizer(folder))) {}

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
    for (const Piece& raw : cut_at_tokens(tables_->added, false, characters)) {
        if (raw.token) {
            ids.push_back(raw.token->id);
            continue;
        }
        const std::u32string normal = normalize_text(raw.text);
        for (const Piece& piece : cut_at_tokens(tables_->added, true, normal)) {
            if (piece.token)
                ids.push_back(piece.token->id);
            else
                encode_words(tables_->bpe, piece.text, ids);
        }
    }
    return ids;
}

std::string Tokenizer::decode(const std::vector<std::int64_t>& ids) const {
    std::string bytes;
    for (const std::int64_t id : ids) {
        const std::string spelled = spelling(*tables_, id);
        if (!is_special(tables_->added, spelled)) bytes += token_bytes(spelled);
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
    return tables_->pad_id;
}

Tokenizer Tokenizer::with_pad_id(std::int64_t id) const {
    auto tables = std::make_shared<TokenizerTables>(*tables_);
    tables->pad_id = id;
    Tokenizer other = *this;
    other.tables_ = std::move(tables);
    return other;
}
std::size_t Tokenizer::max_length() const {
    return tables_->max_length;
}

}  // namespace keepsake::pipeline
