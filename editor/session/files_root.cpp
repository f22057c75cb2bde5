#include "editor/session/files_root.h"

#include <algorithm>
#include <cstdlib>

#include "editor/session/file_hashes.h"
#include "editor/session/recipe.h"
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

constexpr std::size_t shortest_hash = 8, whole_hash = 64;  // hex digits

// Until `wants` says no.
void for_each_file(FileKind kind,
                   const std::function<bool(const fs::path& file, const fs::path& folder)>& wants) {
    const std::optional<fs::path> root = files_root();
    if (!root) return;
    constexpr int most = 100'000;  // entries, in a root that is not one
    int seen = 0;
    for (const fs::path& folder : folders_of(kind, *root)) {
        std::error_code code;
        for (fs::recursive_directory_iterator entry(
                 folder, fs::directory_options::skip_permission_denied, code);
             !code && entry != fs::recursive_directory_iterator(); entry.increment(code))
            if (++seen > most || !wants(entry->path(), folder)) return;
    }
}

}  // namespace

std::optional<fs::path> files_root() {
    const char* root = std::getenv("KEEPSAKE_FILES");
    return root && *root ? std::optional<fs::path>(root) : std::nullopt;
}

std::optional<fs::path> find_file(FileKind kind, const std::string& name) {
    if (is_there(name)) return name;
    return find_in_root(kind, name);
}

std::optional<fs::path> find_in_root(FileKind kind, const std::string& name) {
    std::optional<fs::path> found;
    if (name.empty()) return found;
    for_each_file(kind, [&](const fs::path& file, const fs::path& folder) {
        if (is_named(file, folder, name)) found = file;
        return !found;
    });
    return found;
}

std::optional<fs::path> find_by_hash(FileKind kind, const std::string& hash,
                                     const std::function<bool()>& gives_up) {
    std::optional<fs::path> found;
    if (hash.size() < shortest_hash || hash.size() > whole_hash) return found;
    for_each_file(kind, [&](const fs::path& file, const fs::path&) {
        if (file.extension() == ".safetensors" &&
            file_hash(file, Hashed::whole, gives_up).starts_with(hash))
            found = file;
        return !found && !gives_up();
    });
    return found;
}

std::vector<std::string> file_names(FileKind kind) {
    std::vector<std::string> names;
    for_each_file(kind, [&](const fs::path& file, const fs::path& folder) {
        if (file.extension() != ".safetensors") return true;
        const std::string name = file.lexically_relative(folder).replace_extension().string();
        if (checked_utf8(name) == name) names.push_back(name);
        return true;
    });
    std::ranges::sort(names);
    const auto doubled = std::ranges::unique(names);
    names.erase(doubled.begin(), doubled.end());
    return names;
}

}  // namespace keepsake::editor
