#include "editor/session/own_json.h"

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"

namespace keepsake::editor {

using nlohmann::json;

json read_own_json(const std::filesystem::path& path, const OwnKind& kind) {
    json content = read_json_file(path);
    if (!content.is_object()) return content;
    if (const auto found = content.find("kind"); found != content.end() && *found != kind.name)
        throw Error(path.string(), "its kind is " + brief(*found) + ", not \"" + kind.name + "\"");
    const auto version = content.find("version");
    if (version != content.end() && !version->is_number_unsigned())
        throw Error(path.string(), "its version is " + brief(*version));
    return content;
}

bool is_newer(const json& content, const OwnKind& kind) {
    const json version = content.is_object() ? content.value("version", json()) : json();
    return version.is_number_unsigned() && version > kind.version;
}

void write_own_json(const std::filesystem::path& path, const OwnKind& kind, const json& fields) {
    json content = {{"kind", kind.name}, {"version", kind.version}};
    content.update(fields);
    try {
        const json before = is_there(path) ? read_own_json(path, kind) : json();
        if (is_newer(before, kind)) {
            json kept = before;
            kept.update(fields);
            content = std::move(kept);
        }
    } catch (const Error&) {
        // Damaged, or another's: there is nothing in it to be kept.
    }
    write_file_atomically(path, content.dump(1) + "\n");
}

}  // namespace keepsake::editor
