// A tokenizer folder on disk: vocab.json, merges.txt, tokenizer.json and the configuration beside
// them, read as transformers 5 reads them for CLIPTokenizer.
#pragma once

#include <cstdint>
#include <filesystem>

#include "pipeline/text/added_tokens.h"
#include "pipeline/text/bpe.h"

namespace keepsake::pipeline {

struct TokenizerTables {
    Bpe bpe;
    AddedTokens added;
    std::uint32_t start_id = 0, end_id = 0, pad_id = 0;
    std::size_t max_length = 77;  // CLIP's positions; tokenizer_config.json's model_max_length
};

// Throws Error naming the file that is missing or malformed, and what is the matter with it.
TokenizerTables read_tokenizer(const std::filesystem::path& folder);

}  // namespace keepsake::pipeline
