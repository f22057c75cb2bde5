#include "pipeline/text/bpe.h"

#include <algorithm>
#include <queue>
#include <span>

#include "pipeline/text/clip_text.h"

namespace keepsake::pipeline {
namespace {

constexpr const char* kEndOfWord = "</w>";
constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// A piece of the word while it is merged: a doubly linked list inside a vector.
struct Symbol {
    std::uint32_t id;
    std::size_t previous, next;
    bool gone = false;  // merged into the symbol on its left
};

// A merge that was possible when it was queued. It may be stale when its turn comes.
struct Candidate {
    std::uint32_t rank, id;
    std::size_t left;

    // std::priority_queue pops the greatest: here the lowest rank, then the leftmost place.
    bool operator<(const Candidate& other) const {
        return rank != other.rank ? rank > other.rank : left > other.left;
    }
};

bool is_printable(int byte) {
    return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

// The merge of the symbol at `left` with the one after it, or nullptr.
const Bpe::Merge* find_merge(const Bpe& bpe, std::span<const Symbol> symbols, std::size_t left) {
    const std::size_t right = symbols[left].next;
    if (right == kNone) return nullptr;
    const auto found = bpe.merges.find(pair_key(symbols[left].id, symbols[right].id));
    return found == bpe.merges.end() ? nullptr : &found->second;
}

std::vector<Symbol> symbols_of(const Bpe& bpe, std::string_view word) {
    std::vector<Symbol> symbols;
    symbols.reserve(word.size());
    for (std::size_t i = 0; i < word.size(); ++i) {
        const bool last = i + 1 == word.size();
        const auto byte = static_cast<unsigned char>(word[i]);
        symbols.push_back({(last ? bpe.last_byte_ids : bpe.byte_ids)[byte], i == 0 ? kNone : i - 1,
                           last ? kNone : i + 1});
    }
    return symbols;
}

}  // namespace

std::size_t Vocabulary::slot(std::string_view token) const {
    std::size_t at = std::hash<std::string_view>()(token) & (slots_.size() - 1);
    while (slots_[at] != 0 && spelling(entries_[slots_[at] - 1]) != token)
        at = (at + 1) & (slots_.size() - 1);
    return at;
}

void Vocabulary::grow() {
    slots_.assign(std::max<std::size_t>(1024, slots_.size() * 2), 0);
    for (std::size_t i = 0; i < entries_.size(); ++i)
        slots_[slot(spelling(entries_[i]))] = static_cast<std::uint32_t>(i + 1);
}

void Vocabulary::add(std::string_view token, std::uint32_t id) {
    if (2 * entries_.size() >= slots_.size()) grow();
    const std::size_t at = slot(token);
    if (slots_[at] == 0) {
        entries_.push_back({spelled_.size(), token.size(), id});
        spelled_ += token;
        slots_[at] = static_cast<std::uint32_t>(entries_.size());
    }
    entries_[slots_[at] - 1].id = id;
    if (id >= by_id_.size()) by_id_.resize(id + 1, 0);
    by_id_[id] = slots_[at];
}

std::optional<std::uint32_t> Vocabulary::find(std::string_view token) const {
    if (slots_.empty()) return std::nullopt;
    const std::uint32_t entry = slots_[slot(token)];
    if (entry == 0) return std::nullopt;
    return entries_[entry - 1].id;
}

std::string_view Vocabulary::token(std::uint32_t id) const {
    if (id >= by_id_.size() || by_id_[id] == 0) return {};
    return spelling(entries_[by_id_[id] - 1]);
}

const std::array<std::string, 256>& byte_alphabet() {
    static const std::array<std::string, 256> alphabet = [] {
        std::array<std::string, 256> spelled;
        char32_t next = 0x100;
        for (int byte = 0; byte < 256; ++byte) {
            const char32_t c = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
            spelled[static_cast<std::size_t>(byte)] = to_utf8(std::u32string(1, c));
        }
        return spelled;
    }();
    return alphabet;
}

std::string add_merge(Bpe& bpe, std::uint32_t rank, std::string_view left, std::string_view right) {
    const auto left_id = bpe.vocabulary.find(left);
    if (!left_id) return std::string(left);
    const auto right_id = bpe.vocabulary.find(right);
    if (!right_id) return std::string(right);
    std::string joined(left);
    joined += right;
    const auto id = bpe.vocabulary.find(joined);
    if (!id) return joined;
    bpe.merges[pair_key(*left_id, *right_id)] = {rank, *id};
    return {};
}

std::string set_byte_ids(Bpe& bpe, std::optional<std::uint32_t> unknown_id) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
        const std::string& inside = byte_alphabet()[byte];
        const std::string last = inside + kEndOfWord;
        const auto inside_id = bpe.vocabulary.find(inside);
        const auto last_id = bpe.vocabulary.find(last);
        if (!unknown_id && !inside_id) return inside;
        if (!unknown_id && !last_id) return last;
        bpe.byte_ids[byte] = inside_id ? *inside_id : *unknown_id;
        bpe.last_byte_ids[byte] = last_id ? *last_id : *unknown_id;
    }
    return {};
}

void encode_word(const Bpe& bpe, std::string_view word, std::vector<std::int64_t>& ids) {
    std::vector<Symbol> symbols = symbols_of(bpe, word);
    std::priority_queue<Candidate> queue;
    const auto queue_merge = [&](std::size_t left) {
        if (const Bpe::Merge* merge = find_merge(bpe, symbols, left))
            queue.push({merge->rank, merge->id, left});
    };
    for (std::size_t i = 0; i < symbols.size(); ++i) queue_merge(i);

    while (!queue.empty()) {
        const Candidate top = queue.top();
        queue.pop();
        Symbol& left = symbols[top.left];
        if (left.gone) continue;
        // Stale when a neighbour has changed since. The reference tells by the resulting token
        // alone.
        const Bpe::Merge* merge = find_merge(bpe, symbols, top.left);
        if (!merge || merge->id != top.id) continue;

        Symbol& right = symbols[left.next];
        left.id = top.id;
        left.next = right.next;
        right.gone = true;
        if (left.next != kNone) symbols[left.next].previous = top.left;
        if (left.previous != kNone) queue_merge(left.previous);
        queue_merge(top.left);
    }
    for (const Symbol& symbol : symbols)
        if (!symbol.gone) ids.push_back(symbol.id);
}

std::string token_bytes(std::string_view token) {
    static const std::unordered_map<char32_t, char> bytes = [] {
        std::unordered_map<char32_t, char> table;
        for (std::size_t byte = 0; byte < 256; ++byte)
            table[from_utf8(byte_alphabet()[byte])[0]] = static_cast<char>(byte);
        return table;
    }();
    std::string spelled;
    for (const char32_t c : from_utf8(token)) {
        const auto found = bytes.find(c);
        if (found == bytes.end())
            return std::string(token);  // an added token outside the alphabet: as written
        spelled += found->second;
    }
    return spelled;
}

}  // namespace keepsake::pipeline
