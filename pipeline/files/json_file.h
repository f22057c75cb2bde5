// The one reader of JSON: every file of that kind, ours and strangers', comes in by these calls.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace keepsake {

struct JsonLimits {
    std::size_t size = std::size_t{16} << 20;  // bytes of text: far above any configuration
    // Of arrays and objects in one another. What walks a tree of them (dump, copies) calls itself.
    std::size_t depth = 64;
};

// Strict JSON, and NaN, Infinity and -Infinity as Python writes them (diffusers' own files do).
// Throws Error naming `noun`: not JSON, longer or deeper than the limits. `callback` is nlohmann's,
// called for each value; what it throws passes on.
nlohmann::json parse_json(std::string_view text, const std::string& noun,
                          const JsonLimits& limits = {},
                          const nlohmann::json::parser_callback_t& callback = nullptr);

// The same of a file. Throws Error naming it, also when it cannot be read.
nlohmann::json read_json_file(const std::filesystem::path& path, const JsonLimits& limits = {});

// The same without a tree, for large files. `sax` hears of what is not JSON by its parse_error; no
// NaN or Infinity here.
void parse_json(std::string_view text, const std::string& noun, const JsonLimits& limits,
                nlohmann::json::json_sax_t& sax);

// A stranger's value for an error: in ASCII, and cut where it is long.
std::string brief(const nlohmann::json& value);

}  // namespace keepsake
