#include "editor/session/line_file.h"

#include <sstream>
#include <system_error>

#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/text_parts.h"

namespace keepsake::editor {

std::vector<FileLine> read_line_file(const std::filesystem::path& path,
                                     const LineFileLimits& limits) {
    std::error_code code;
    if (const auto size = std::filesystem::file_size(path, code); !code && size > limits.bytes)
        throw Error(path.string(), "is longer than " + std::to_string(limits.bytes >> 20) +
                                       " MiB; it is to hold a " + limits.one + " a line");
    std::istringstream text(read_file(path));
    std::vector<FileLine> lines;
    int number = 0;
    for (std::string line; std::getline(text, line);) {
        ++number;
        const std::string_view content = trimmed(line);
        if (content.empty() || content.starts_with('#')) continue;
        lines.push_back({number, checked_utf8(std::string(content))});
        if (lines.size() > limits.most)
            throw Error(path.string(),
                        "holds more than " + std::to_string(limits.most) + " " + limits.many);
    }
    if (lines.empty()) throw Error(path.string(), "holds no " + limits.one);
    return lines;
}

}  // namespace keepsake::editor
