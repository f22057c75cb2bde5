// Text files of the person's with something a line: prompts, templates.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace keepsake::editor {

struct LineFileLimits {
    std::string one, many;  // what a line is called, and several
    std::size_t most = 0;   // lines
    std::uintmax_t bytes = 0;
};
struct FileLine {
    int number = 0;  // in the file, from 1
    std::string text;
};
// Without the spaces at their ends, without empty lines and comments ("# ..."), malformed UTF-8
// replaced. Throws Error naming the file where it cannot be read, is larger than the limits, or
// holds no line.
std::vector<FileLine> read_line_file(const std::filesystem::path& path,
                                     const LineFileLimits& limits);

}  // namespace keepsake::editor
