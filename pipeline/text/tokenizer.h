// CLIP's byte-level BPE tokenizer, the same ids as transformers' CLIPTokenizer (pinned in
// tests/goldens).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

struct AddedTokens;      // pipeline/text/added_tokens.h
struct AddedWord;        // pipeline/text/added_words.h
struct TokenizerTables;  // pipeline/text/tokenizer_files.h

struct Tokenized {
    std::vector<std::int64_t> ids;  // exactly max_length: start, text, end, padding
    std::size_t text_tokens = 0;    // tokens of the text that were kept, without start and end
    std::size_t cut_tokens = 0;     // tokens of the text beyond the limit
    std::string cut_text;  // what they spell, readable, for the user; empty when nothing was cut
};

// Immutable: one tokenizer may be used by several threads at once, and copies share its tables.
class Tokenizer {
  public:
    // Reads vocab.json and merges.txt of a diffusers model's tokenizer folder, or tokenizer.json
    // where there is one, as the reference does; and tokenizer_config.json, special_tokens_map.json
    // and added_tokens.json where they are. Throws Error naming the file that is missing or
    // malformed.
    explicit Tokenizer(const std::filesystem::path& folder);

    // UTF-8 text (malformed bytes as U+FFFD, like Python's "replace") -> ids padded and truncated
    // to max_length as the reference's padding="max_length", truncation=True.
    Tokenized operator()(std::string_view text) const;

    // Ids of the text alone: no special tokens added, no truncation, no padding.
    std::vector<std::int64_t> encode(std::string_view text) const;
    // The text that ids spell, special tokens left out.
    std::string decode(const std::vector<std::int64_t>& ids) const;

    std::int64_t start_id() const;
    std::int64_t end_id() const;
    std::int64_t pad_id() const;
    std::size_t max_length() const;  // 77

    // The same tokenizer with another padding token: what SD 2.x needs of CLIP's own vocabulary.
    Tokenizer with_pad_id(std::int64_t id) const;

    // One more than the greatest id of any token.
    std::int64_t next_id() const;
    // The same tokenizer with words of textual inversion (added_words.h), which get the ids from
    // `first_id` on in their order, each as many as it has vectors. It shares the tables. Throws
    // Error naming the word that check_word_name() refuses, that takes more ids than a text has
    // room for, or that another one is called already.
    Tokenizer with_words(const std::vector<AddedWord>& words, std::int64_t first_id) const;

  private:
    std::shared_ptr<const TokenizerTables> tables_;
    std::shared_ptr<const AddedTokens> added_;  // the tables' own, or those with words
    std::int64_t pad_id_ = 0;
};

}  // namespace keepsake::pipeline
