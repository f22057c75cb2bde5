// BERT's WordPiece tokenizer of uncased vocabularies, the same ids and texts as transformers'
// BertTokenizer (pinned in tests/goldens).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

// Immutable: copies share their tables.
class WordPiece {
  public:
    // Reads vocab.txt (one token a line), or tokenizer.json where there is one. Throws Error naming
    // the file that is missing or malformed, that lacks [UNK], [CLS] or [SEP], or whose tokens have
    // capitals.
    explicit WordPiece(const std::filesystem::path& folder);

    // UTF-8 text (malformed bytes as U+FFFD) -> ids of the text alone: nothing is added or cut.
    std::vector<std::int64_t> encode(std::string_view text) const;
    // The text that ids spell: pieces joined, no blank before full stops and the like, special
    // tokens ([PAD], [SEP]...) and ids that the vocabulary lacks left out.
    std::string decode(const std::vector<std::int64_t>& ids) const;

    std::int64_t end_id() const;  // [SEP]
    std::int64_t size() const;    // one more than the greatest id

  private:
    struct Tables;
    std::shared_ptr<const Tables> tables_;
};

}  // namespace keepsake::pipeline
