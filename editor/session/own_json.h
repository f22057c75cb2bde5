// The small JSON files of ours beside a recipe: {"kind": ..., "version": ..., and their fields}
// (house rule 11).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace keepsake::editor {

struct OwnKind {
    const char* name;  // "keepsake ..."
    int version;       // rises with each field that is added
};

// What the file at `path` says. One of before kind and version were in it is read as it is. Throws
// Error naming the file when it is not JSON, of another kind, or its version is none.
nlohmann::json read_own_json(const std::filesystem::path& path, const OwnKind& kind);

// Whether a newer Keepsake wrote it: then it may say more than is known here.
bool is_newer(const nlohmann::json& content, const OwnKind& kind);

// Writes `fields` whole, with kind and version before them. Of a newer Keepsake's file in its place
// the version and the fields that are not among these stay. Throws Error naming the file.
void write_own_json(const std::filesystem::path& path, const OwnKind& kind,
                    const nlohmann::json& fields);

}  // namespace keepsake::editor
