// The vocabulary and merges of a tokenizer folder.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/text/bpe.h"

namespace keepsake::pipeline {

struct VocabularyFiles {
    std::filesystem::path vocabulary_path, merges_path;  // for errors; tokenizer.json may be both
    Bpe bpe;  // vocabulary and merges; set_byte_ids is still to be called
    nlohmann::json added_tokens = nlohmann::json::array();  // tokenizer.json's own list
};

// tokenizer.json where there is one (the reference prefers it), else vocab.json and merges.txt.
// Throws Error naming the file that is missing or malformed.
VocabularyFiles read_vocabulary(const std::filesystem::path& folder);

// The JSON object in a file. Throws Error naming it when it is missing, not JSON or not an object.
nlohmann::json read_json_object(const std::filesystem::path& path);

}  // namespace keepsake::pipeline
