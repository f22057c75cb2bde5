// What is drawn on the way of a training: a text file in kohya's grammar, a picture a line.
//
//   # a comment
//   a photo of sks dog --n blurry --w 512 --h 512 --d 1 --s 20 --l 7.5 --ss ddim
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/session/option_overrides.h"

namespace keepsake::editor {

struct SamplePrompt {
    std::string prompt;
    std::optional<int> width, height;   // --w, --h; none: the model's own
    std::optional<std::uint64_t> seed;  // --d
    // --s, --l, --n, --ss
    SampleOverrides sample;
};

// One line. What has no meaning here (kohya's --ctr, --am and the like) becomes one of `remarks`.
// Throws Error naming `source` and the option whose value is malformed.
SamplePrompt parse_sample_prompt(const std::string& line, const std::string& source,
                                 std::vector<std::string>& remarks);

// A file's lines, without empty ones and comments. Throws Error naming the file when it cannot be
// read, is longer than 1 MiB, holds none or more than 64.
std::vector<SamplePrompt> read_sample_prompts(const std::filesystem::path& path,
                                              std::vector<std::string>& remarks);

}  // namespace keepsake::editor
