// Where the fuzzer's inputs become files, and the targets of model files. See fuzz_loaders.cpp.
#pragma once

#include <filesystem>
#include <string>

namespace keepsake::fuzz {

// One file of this process, in memory where there is such a folder.
const std::filesystem::path& input_file();
// A folder of this process beside it, made at the first call.
std::filesystem::path input_folder(const std::string& name);
void write_bytes(const std::filesystem::path& path, const std::string& bytes);

// Ends the program, which is a find.
void require(bool holds, const char* what);

// One JSON file, in turn as each of those that a diffusers folder (the bundled model's, otherwise)
// has, and as keepsake.json.
void feed_config(const std::string& bytes);
// A tokenizer's folder: vocab.json, merges.txt, tokenizer.json, tokenizer_config.json,
// special_tokens_map.json and added_tokens.json with a byte 0 behind each, an empty one being
// absent; and then a text for it.
void feed_tokenizer(const std::string& bytes);
// A LoRA's file for the bundled model.
void feed_lora(const std::string& bytes);
// A checkpoint's header (JSON); its data is zeros.
void feed_checkpoint(const std::string& bytes);

}  // namespace keepsake::fuzz
