// Command lines as the tests put them together, and what the programs print, line by line.
#pragma once

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace keepsake::testing {

using Arguments = std::vector<std::string>;

// What a test's commands share, and what one of them has besides.
inline Arguments joined(Arguments arguments, const Arguments& more, const Arguments& last = {}) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.insert(arguments.end(), last.begin(), last.end());
    return arguments;
}

// Of --json: one value a line.
inline std::vector<nlohmann::json> json_lines(const std::string& text) {
    std::vector<nlohmann::json> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(nlohmann::json::parse(line));
    return lines;
}

}  // namespace keepsake::testing
