#include "editor/session/files_root.h"

#include <array>
#include <cstdlib>
#include <vector>

#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// Of both programs; what is not there is passed over.
std::vector<fs::path> folders_of(FileKind kind, const fs::path& root) {
    const fs::path models = root / "models";
    switch (kind) {
        case FileKind::checkpoint:
            return {models / "Stable-diffusion", models / "checkpoints"};
        case FileKind::lora:
            return {models / "Lora", models / "LyCORIS", models / "loras"};
        case FileKind::vae:
            return {models / "VAE", models / "vae"};
        case FileKind::embedding:
            return {root / "embeddings", models / "embeddings"};
    }
    return {};
}

bool is_named(const fs::path& file, const fs::path& folder, const std::string& name) {
    if (file.extension() != ".safetensors") return false;
    const fs::path relative = file.lexically_relative(folder);
    for (const fs::path& candidate : {relative, file.filename()}) {
        fs::path stem = candidate;
        stem.replace_extension();
        if (candidate == name || stem == name) return true;
    }
    return false;
}

}  // namespace

std::optional<fs::path> files_root() {
    const char* root = std::getenv("KEEPSAKE_FILES");
    return root && *root ? std::optional<fs::path>(root) : std::nullopt;
}

std::optional<fs::path> find_file(FileKind kind, const std::string& name) {
    if (is_there(name)) return name;
    const std::optional<fs::path> root = files_root();
    if (!root || name.empty()) return std::nullopt;
    constexpr int most = 100'000;  // entries, in a root that is not one
    int seen = 0;
    for (const fs::path& folder : folders_of(kind, *root)) {
        std::error_code code;
        for (fs::recursive_directory_iterator entry(
                 folder, fs::directory_options::skip_permission_denied, code);
             !code && entry != fs::recursive_directory_iterator(); entry.increment(code)) {
            if (++seen > most) return std::nullopt;
            if (is_named(entry->path(), folder, name)) return entry->path();
        }
    }
    return std::nullopt;
}

}  // namespace keepsake::editor
