// What the commands write with --json: one object a line.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace keepsake::editor {

// With its line feed. Malformed UTF-8, as a file's name may have it, is replaced: JSON has no other
// text.
inline std::string json_line(const nlohmann::ordered_json& object) {
    return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace keepsake::editor
