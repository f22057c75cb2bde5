// Files of textual inversion: words with the vectors that were learned for them, as the common
// programs write them (docs/files.md).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/files/safetensors.h"

namespace keepsake::pipeline {

struct LearnedWord {
    std::string name;       // as the file has it, UTF-8
    Tensor vectors;         // (n, D) float32 on CPU, contiguous, finite
    std::string file = {};  // where it was read from; empty: nowhere
};

struct WordFile {
    std::vector<LearnedWord> words;  // at least one
    std::string layout;              // for people: "one tensor by its word, as diffusers writes it"
    std::string left_alone;          // what else it holds, for people; else empty
};

struct WordFileRequest {
    // D of the text encoder that the words are for; none: whatever the file has.
    std::optional<std::int64_t> width;
    std::optional<std::string> name;  // instead of the file's own, where it holds one word
};

// Reads these layouts of safetensors, the vectors (n, D) or (D) of any floating dtype:
//   - a tensor by its word: diffusers, and several of them: cloneofsimo's lora;
//   - `emb_params` (A1111, kohya, ai-toolkit) or `emp_params` (OneTrainer), `*` and
//     `string_to_param.*` (A1111's .pt, converted): the word is the file's stem;
//   - `bundle_emb.<word>.string_to_param.*`, beside a LoRA's tensors: ComfyUI's bundles.
// Throws Error naming the file: a pickle, with how to convert it; words of SDXL, which has two text
// encoders; vectors of another width, with the family of models that has it; vectors that are not
// finite; a file that holds something else.
WordFile read_word_file(const std::filesystem::path& path, const WordFileRequest& request = {});

// Whether a file looks like one of these, whatever the width of its vectors. SDXL's are.
bool is_word_file(const SafetensorsFile& file);

// Several lines for `keepsake info`, each ended by a newline. Throws Error as read_word_file.
std::string describe_word_file(const std::filesystem::path& path);

// Who finds the word in the file: diffusers by the tensor's name; A1111, ComfyUI and their like by
// the file's stem, whatever the tensor is called.
enum class WordLayout { by_tensor, by_stem };

// Writes the word whole (house rule 10), float32. by_stem: `emb_params`, and the stem of `path` has
// to be the word: throws Error naming it where it is not. `metadata` goes into the header beside
// "format".
void write_word_file(const std::filesystem::path& path, const LearnedWord& word, WordLayout layout,
                     std::map<std::string, std::string> metadata = {});

// 16 hex digits over the vectors, whatever they are called and wherever they lie.
std::string fingerprint_of_word(const LearnedWord& word);

// "Stable Diffusion 1.x", by the width of a text encoder; "text of width 192" where nobody knows.
std::string family_of_width(std::int64_t width);

}  // namespace keepsake::pipeline
