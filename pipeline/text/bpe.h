// Byte-level byte-pair encoding: the vocabulary, the merge ranks, and one word at a time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace keepsake::pipeline {

// Tokens by id and ids by token, spelled in the byte alphabet (see byte_alphabet()). A flat hash
// table over one string: reading 50,000 tokens happens at each start of the program.
class Vocabulary {
  public:
    // Two tokens with one id: the later is what token() gives. A token given twice: its last id.
    void add(std::string_view token, std::uint32_t id);
    std::optional<std::uint32_t> find(std::string_view token) const;
    std::string_view token(std::uint32_t id) const;  // empty where no token has that id
    std::size_t size() const { return entries_.size(); }
    std::size_t end_id() const { return by_id_.size(); }  // one more than the greatest id

  private:
    struct Entry {
        std::size_t begin, length;  // in spelled_
        std::uint32_t id;
    };

    std::string_view spelling(const Entry& entry) const {
        return std::string_view(spelled_).substr(entry.begin, entry.length);
    }
    // The slot that holds the entry of `token`, or the free one where it belongs.
    std::size_t slot(std::string_view token) const;
    void grow();

    std::string spelled_;
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> slots_;  // 1 + index into entries_, or 0; a power of two of them
    std::vector<std::uint32_t> by_id_;  // likewise, by id
};

struct Bpe {
    struct Merge {
        std::uint32_t rank = 0;  // place in the list of merges: the lowest is merged first
        std::uint32_t id = 0;    // the token that the pair becomes
    };

    Vocabulary vocabulary;
    std::unordered_map<std::uint64_t, Merge> merges;  // by pair_key(left id, right id)
    // The token of each byte inside a word and at its end ("</w>"). A byte that the vocabulary
    // lacks has the unknown token's id.
    std::array<std::uint32_t, 256> byte_ids{};
    std::array<std::uint32_t, 256> last_byte_ids{};
};

inline std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) {
    return std::uint64_t{left} << 32 | right;
}

// How each byte is written in a vocabulary: printable bytes as themselves, the others as U+0100 and
// on, each as UTF-8 (the table of GPT-2's encoder.py, which CLIP kept).
const std::array<std::string, 256>& byte_alphabet();

// Adds the merge of `left` and `right`; a pair that is listed twice keeps its last rank. Returns
// the spelling that the vocabulary lacks (left, right or both joined), or an empty string.
std::string add_merge(Bpe& bpe, std::uint32_t rank, std::string_view left, std::string_view right);

// Fills byte_ids and last_byte_ids. Returns a spelling that the vocabulary lacks while there is no
// unknown token to take its place, or an empty string.
std::string set_byte_ids(Bpe& bpe, std::optional<std::uint32_t> unknown_id);

// Appends the ids of one word (its UTF-8 bytes) to `ids`. O(n log n) in its length.
void encode_word(const Bpe& bpe, std::string_view word, std::vector<std::int64_t>& ids);

// The bytes that a token stands for; "</w>" stays as it is written.
std::string token_bytes(std::string_view token);

}  // namespace keepsake::pipeline
