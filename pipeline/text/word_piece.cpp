#include "pipeline/text/word_piece.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/text_parts.h"
#include "pipeline/text/bpe.h"
#include "pipeline/text/clip_text.h"
#include "pipeline/text/unicode.h"
#include "pipeline/text/vocabulary_files.h"

namespace keepsake::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 5> special_tokens = {"[UNK]", "[SEP]", "[PAD]", "[CLS]",
                                                            "[MASK]"};
constexpr std::string_view continuation = "##";
constexpr std::size_t longest_word = 100;          // characters; longer ones are unknown
constexpr std::uintmax_t longest_file = 64 << 20;  // bytes; BERT's own has 232 kB
constexpr std::size_t most_tokens = std::size_t{1} << 22;

// What the reference drops: controls, formats, surrogates, private use.
bool is_dropped(char32_t c) {
    if (c == U'\t' || c == U'\n' || c == U'\r') return false;
    return c == 0 || c == 0xFFFD || has_category(c, U_GC_C_MASK & ~U_GC_CN_MASK);
}

bool is_chinese(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_sign(char32_t c) {
    if (c < 0x80) return c > ' ' && c != 0x7F && !u_isalnum(static_cast<UChar32>(c));
    return has_category(c, U_GC_P_MASK);
}

// BertNormalizer: clean, blanks around Chinese characters, no accents, lower case.
std::u32string plain_text(std::u32string_view text) {
    std::u32string clean;
    for (const char32_t c : text) {
        if (is_dropped(c)) continue;
        if (is_white_space(c))
            clean += U' ';
        else if (is_chinese(c))
            (clean += U' ') += {c, U' '};
        else
            clean += c;
    }
    std::u32string result;
    for (const char32_t c : in_normal_form(clean, NormalForm::D))
        if (!has_category(c, U_GC_MN_MASK))
            result += static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)));
    return result;
}

// BertPreTokenizer: runs between blanks, each sign by itself.
std::vector<std::u32string_view> words_of(std::u32string_view text) {
    std::vector<std::u32string_view> words;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t end = i + 1;
        const auto ends = [&](char32_t c) { return is_white_space(c) || is_sign(c); };
        if (!ends(text[i]))
            while (end < text.size() && !ends(text[end])) ++end;
        if (!is_white_space(text[i])) words.push_back(text.substr(i, end - i));
        i = end;
    }
    return words;
}

// The decoder's clean-up, which is done token by token.
std::string cleaned(std::string text) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> rules = {{
        {" .", "."},
        {" ?", "?"},
        {" !", "!"},
        {" ,", ","},
        {" ' ", "'"},
        {" n't", "n't"},
        {" 'm", "'m"},
        {" do not", " don't"},
        {" 's", "'s"},
        {" 've", "'ve"},
        {" 're", "'re"},
    }};
    for (const auto& [from, to] : rules) replace_all(text, from, to);
    return text;
}

Vocabulary read_vocab_txt(const fs::path& path) {
    std::error_code error;
    if (fs::file_size(path, error) > longest_file && !error)
        throw Error(path.string(), "is too long for a vocabulary");
    const std::string content = read_file(path);
    Vocabulary vocabulary;
    std::uint32_t id = 0;
    for (std::size_t begin = 0; begin < content.size(); ++id) {
        if (id >= most_tokens) throw Error(path.string(), "has too many tokens");
        const std::size_t end = std::min(content.find('\n', begin), content.size());
        std::string_view line(content.data() + begin, end - begin);
        if (line.ends_with('\r')) line.remove_suffix(1);
        vocabulary.add(line, id);
        begin = end + 1;
    }
    return vocabulary;
}

Vocabulary read_tokenizer_json(const fs::path& path) {
    const nlohmann::json content = read_json_object(path);
    const auto model = content.find("model");
    if (model == content.end() || !model->is_object() || !model->contains("vocab") ||
        !(*model)["vocab"].is_object())
        throw Error(path.string(), "has no vocabulary of word pieces (model.vocab)");
    Vocabulary vocabulary;
    for (const auto& [token, id] : (*model)["vocab"].items()) {
        if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= most_tokens)
            throw Error(path.string(), "token '" + token + "' has the id " + brief(id));
        vocabulary.add(token, id.get<std::uint32_t>());
    }
    return vocabulary;
}

Vocabulary read_pieces(const fs::path& folder, fs::path& from) {
    from = folder / "tokenizer.json";
    if (is_there(from)) return read_tokenizer_json(from);
    from = folder / "vocab.txt";
    if (!is_there(from))
        throw Error(from.string(), "is missing, and so is tokenizer.json: BERT's vocabulary");
    return read_vocab_txt(from);
}

}  // namespace

struct WordPiece::Tables {
    Vocabulary vocabulary;
    std::uint32_t unknown = 0, end = 0;
    std::vector<std::pair<std::string_view, std::uint32_t>> specials;  // those that are there

    void encode_word(std::u32string_view word, std::vector<std::int64_t>& ids) const;
    void encode_plain(std::u32string_view text, std::vector<std::int64_t>& ids) const;
};

// The longest piece that the vocabulary has, again and again; a word that cannot be covered is
// unknown as a whole.
void WordPiece::Tables::encode_word(std::u32string_view word,
                                    std::vector<std::int64_t>& ids) const {
    const std::size_t before = ids.size();
    std::size_t begin = 0, end = word.size() > longest_word ? 0 : word.size();
    while (begin < word.size() && end > begin) {
        const std::string piece =
            std::string(begin > 0 ? continuation : "") + to_utf8(word.substr(begin, end - begin));
        if (const auto id = vocabulary.find(piece)) {
            ids.push_back(*id);
            begin = end;
            end = word.size();
        } else {
            --end;
        }
    }
    if (begin == word.size()) return;
    ids.resize(before);
    ids.push_back(unknown);
}

void WordPiece::Tables::encode_plain(std::u32string_view text,
                                     std::vector<std::int64_t>& ids) const {
    const std::u32string plain = plain_text(text);
    for (const std::u32string_view word : words_of(plain)) encode_word(word, ids);
}

WordPiece::WordPiece(const fs::path& folder) {
    const auto tables = std::make_shared<Tables>();
    fs::path from;
    tables->vocabulary = read_pieces(folder, from);
    const auto needed = [&](std::string_view token) {
        const auto id = tables->vocabulary.find(token);
        if (!id) throw Error(from.string(), "has no token " + std::string(token));
        return *id;
    };
    tables->unknown = needed("[UNK]");
    tables->end = needed("[SEP]");
    needed("[CLS]");
    for (const std::string_view token : special_tokens)
        if (const auto id = tables->vocabulary.find(token))
            tables->specials.emplace_back(token, *id);
    if (tables->vocabulary.find("A"))
        throw Error(from.string(), "tells capitals from small letters; captioners' does not");
    tables_ = tables;
}

std::vector<std::int64_t> WordPiece::encode(std::string_view text) const {
    const std::u32string all = from_utf8(text);
    std::vector<std::int64_t> ids;
    std::size_t done = 0;
    // Special tokens are found in the text as it is.
    for (std::size_t at = all.find(U'['); at != all.npos; at = all.find(U'[', at)) {
        const auto found = std::ranges::find_if(tables_->specials, [&](const auto& special) {
            return to_utf8(std::u32string_view(all).substr(at, special.first.size())) ==
                   special.first;
        });
        if (found == tables_->specials.end()) {
            ++at;
            continue;
        }
        tables_->encode_plain(std::u32string_view(all).substr(done, at - done), ids);
        ids.push_back(found->second);
        done = at += found->first.size();
    }
    tables_->encode_plain(std::u32string_view(all).substr(done), ids);
    return ids;
}

std::string WordPiece::decode(const std::vector<std::int64_t>& ids) const {
    std::string text;
    bool first = true;
    for (const std::int64_t id : ids) {
        if (id < 0 || id >= size()) continue;
        const std::string_view token = tables_->vocabulary.token(static_cast<std::uint32_t>(id));
        if (token.empty() || std::ranges::find(special_tokens, token) != special_tokens.end())
            continue;
        std::string piece(token);
        if (!first && token.starts_with(continuation))
            piece.erase(0, continuation.size());
        else if (!first)
            piece.insert(0, " ");
        text += cleaned(std::move(piece));
        first = false;
    }
    return text;
}

std::int64_t WordPiece::end_id() const {
    return tables_->end;
}

std::int64_t WordPiece::size() const {
    return static_cast<std::int64_t>(tables_->vocabulary.end_id());
}

}  // namespace keepsake::pipeline
