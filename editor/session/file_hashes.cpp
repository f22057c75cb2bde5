#include "editor/session/file_hashes.h"

#include <glib.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

#include "editor/session/recipe.h"
#include "editor/session/user_folder.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t most_kept = 2000;

// Where the part that is hashed begins; none where the file is too short for its header.
std::optional<std::uint64_t> first_byte(std::ifstream& file, std::uint64_t size, Hashed hashed) {
    if (hashed == Hashed::whole) return 0;
    std::array<unsigned char, 8> length{};
    if (!file.read(reinterpret_cast<char*>(length.data()), length.size())) return std::nullopt;
    std::uint64_t header = 0;
    for (std::size_t i = length.size(); i-- > 0;) header = header << 8 | length[i];
    if (header > size - length.size()) return std::nullopt;
    return header + length.size();
}

std::string computed(const fs::path& path, std::uint64_t size, Hashed hashed,
                     const std::function<bool()>& gives_up) {
    std::ifstream file(path, std::ios::binary);
    const auto begin = first_byte(file, size, hashed);
    if (!begin) return {};
    file.seekg(static_cast<std::streamoff>(*begin));
    const std::unique_ptr<GChecksum, void (*)(GChecksum*)> sum(g_checksum_new(G_CHECKSUM_SHA256),
                                                               g_checksum_free);
    std::vector<char> bytes(1 << 20);
    while (file) {
        if (gives_up && gives_up()) return {};
        file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        g_checksum_update(sum.get(), reinterpret_cast<const guchar*>(bytes.data()), file.gcount());
    }
    return file.eof() ? g_checksum_get_string(sum.get()) : std::string();
}

json read_cache(const fs::path& folder) {
    try {
        json kept = read_json_file(folder / "hashes.json");
        if (kept.is_object()) return kept;
    } catch (const Error&) {
        // None yet, or a damaged one: as good as none.
    }
    return json::object();
}

void keep(const fs::path& folder, const std::string& key, const std::string& hash) {
    try {
        fs::create_directories(folder);
        json kept = read_cache(folder);
        if (kept.size() >= most_kept) kept = json::object();
        kept[key] = hash;
        write_file_atomically(folder / "hashes.json", kept.dump(1) + "\n");
    } catch (const std::exception&) {
        // It will be computed again.
    }
}

bool is_hash(const json& value) {
    constexpr std::size_t digits = 64;
    return value.is_string() && value.get<std::string>().size() == digits;
}

}  // namespace

std::string file_hash(const fs::path& file, Hashed hashed, const std::function<bool()>& gives_up) {
    std::error_code code;
    const fs::path whole = fs::absolute(file, code).lexically_normal();
    if (code || !fs::is_regular_file(whole, code)) return {};  // a pipe would be waited for
    const std::uint64_t size = fs::file_size(whole, code);
    const auto time = fs::last_write_time(whole, code).time_since_epoch().count();
    if (code) return {};
    const std::string key = checked_utf8(whole.string()) + " " + std::to_string(size) + " " +
                            std::to_string(time) + (hashed == Hashed::tensors ? " tensors" : "");
    const fs::path folder = user_folder("XDG_CACHE_HOME", ".cache");
    if (!folder.empty())
        if (const json kept = read_cache(folder); kept.contains(key) && is_hash(kept[key]))
            return kept[key];
    std::string hash = computed(whole, size, hashed, gives_up);
    if (!hash.empty() && !folder.empty()) keep(folder, key, hash);
    return hash;
}

}  // namespace keepsake::editor
