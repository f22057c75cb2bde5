#include "editor/session/shards.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "editor/photo/photo.h"
#include "editor/session/picture_captions.h"
#include "editor/session/recipe.h"
#include "editor/session/user_folder.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/json_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr std::size_t block = 512;
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 31;  // of one entry
constexpr std::size_t most_text = std::size_t{1} << 20;       // of a caption's, or a long name's
constexpr std::size_t most_entries = 1'000'000;

using Header = std::array<char, block>;

// A number in octal digits, or, with the top bit set, in base 256.
std::optional<std::uint64_t> number_in(const Header& header, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    if ((static_cast<unsigned char>(header[at]) & 0x80U) != 0) {
        for (std::size_t i = 0; i < size; ++i) {
            const auto byte = static_cast<unsigned char>(header[at + i]);
            if (value >> 55U != 0) return std::nullopt;
            value = value << 8U | (i == 0 ? byte & 0x7FU : byte);
        }
        return value;
    }
    for (std::size_t i = 0; i < size; ++i) {
        const char c = header[at + i];
        if (c == ' ' || c == '\0') continue;
        if (c < '0' || c > '7') return std::nullopt;
        value = value * 8 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

std::string text_in(const Header& header, std::size_t at, std::size_t size) {
    const char* begin = header.data() + at;
    return {begin, std::find(begin, begin + size, '\0')};
}

bool has_its_checksum(const Header& header) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < block; ++i)
        sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
    return number_in(header, 148, 8) == sum;
}

// "path" and "size" of a pax header's records, "LENGTH KEY=VALUE\n".
void read_pax(const std::string& records, std::string& name, std::uint64_t& size) {
    for (std::size_t at = 0; at < records.size();) {
        const std::size_t space = records.find(' ', at), equals = records.find('=', at);
        if (space == records.npos || equals == records.npos || equals < space) return;
        const std::size_t length = std::strtoull(records.c_str() + at, nullptr, 10);
        if (length <= equals + 1 - at || length > records.size() - at) return;
        const std::string key = records.substr(space + 1, equals - space - 1);
        const std::string value = records.substr(equals + 1, at + length - equals - 2);
        if (key == "path") name = value;
        if (key == "size") size = std::strtoull(value.c_str(), nullptr, 10);
        at += length;
    }
}

// The regular files of a tar, one after the other.
class Tar {
  public:
    explicit Tar(const fs::path& path) : path_(path) {
        if (const auto type = type_at(path); type != fs::file_type::regular)
            throw Error(path.string(),
                        type == fs::file_type::not_found ? "is not there" : "is no regular file");
        stream_.open(path, std::ios::binary);
        if (!stream_) throw Error(path.string(), "cannot be opened");
    }

    struct Entry {
        std::string name;
        std::uint64_t size = 0;
    };
    // The next one; none at the end. What was not read of the last one is passed over.
    std::optional<Entry> next() {
        std::string long_name;
        std::uint64_t long_size = 0;
        bool has_size = false;
        while (true) {
            stream_.seekg(static_cast<std::streamoff>(end_));
            Header header{};
            stream_.read(header.data(), block);
            const bool ends = stream_.gcount() == 0 && end_ > 0;
            if (ends || std::ranges::all_of(header, [](char c) { return c == 0; })) {
                if (end_ == 0) refuse_tar();
                return std::nullopt;
            }
            if (stream_.gcount() != block && end_ == 0) refuse_tar();
            if (stream_.gcount() != block) refuse_cut("an entry's header");
            if (!has_its_checksum(header)) refuse_tar();
            auto size = number_in(header, 124, 12);
            if (!size) refuse_tar();
            if (has_size) size = long_size;
            begin_ = end_ + block;
            if (*size > most_bytes) throw Error(path_.string(), "has an entry of more than 2 GiB");
            end_ = begin_ + (*size + block - 1) / block * block;
            if (++entries_ > most_entries)
                throw Error(path_.string(), "has more than 1000000 entries");
            const char kind = header[156];
            if (kind == 'x' || kind == 'L') {
                const std::string text = read({"", *size}, most_text);
                if (kind == 'L')
                    long_name = text.c_str();  // up to its 0
                else
                    read_pax(text, long_name, long_size);
                has_size = long_size > 0;
                continue;
            }
            Entry entry{long_name, *size};
            if (entry.name.empty()) {
                const std::string folder = text_in(header, 257, 5) == "ustar" && header[262] == '\0'
                                               ? text_in(header, 345, 155)
                                               : std::string();
                entry.name = (folder.empty() ? "" : folder + "/") + text_in(header, 0, 100);
            }
            long_name.clear();
            has_size = false;
            long_size = 0;
            if (kind == '0' || kind == '\0') return entry;
        }
    }
    // Of the last entry.
    std::string read(const Entry& entry, std::uint64_t most = most_bytes) {
        if (entry.size > most)
            throw Error(path_.string(),
                        "has a text of more than 1 MiB: " + checked_utf8(entry.name));
        std::string content(entry.size, '\0');
        stream_.clear();
        stream_.seekg(static_cast<std::streamoff>(begin_));
        stream_.read(content.data(), static_cast<std::streamsize>(content.size()));
        if (static_cast<std::uint64_t>(stream_.gcount()) != entry.size)
            refuse_cut(entry.name.empty() ? "a long name" : checked_utf8(entry.name));
        return content;
    }

  private:
    [[noreturn]] void refuse_tar() const { throw Error(path_.string(), "is no tar file"); }
    [[noreturn]] void refuse_cut(const std::string& where) const {
        throw Error(path_.string(), "ends in the middle of " + where);
    }

    fs::path path_;
    std::ifstream stream_;
    std::uint64_t begin_ = 0, end_ = 0;  // of the last entry's content, and where the next begins
    std::size_t entries_ = 0;
};

// "a/0001.seg.png": the key "a/0001", the rest ".seg.png".
struct Key {
    std::string key, rest;
    explicit Key(const std::string& name) {
        const std::size_t slash = name.rfind('/');
        const std::size_t begin = slash == name.npos ? 0 : slash + 1;
        const std::size_t dot = name.find('.', begin + 1);
        key = name.substr(0, dot);
        if (dot != name.npos) rest = name.substr(dot);
        std::ranges::transform(rest, rest.begin(), [](unsigned char c) {
            return static_cast<char>(c < 128 ? std::tolower(c) : c);
        });
    }
    // "0001.seg.png" is something else about the picture 0001.
    bool is_picture() const {
        return rest.find('.', 1) == rest.npos && has_photo_extension("a" + rest);
    }
};

// A name for the picture that leads nowhere.
std::string plain_name(std::size_t index, const Key& key) {
    std::string name = key.key.substr(key.key.rfind('/') + 1).substr(0, 60);
    for (char& c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-' && c != '_') c = '_';
    std::string number = std::to_string(index);
    number.insert(0, number.size() < 6 ? 6 - number.size() : 0, '0');
    return number + "-" + name + key.rest;
}

struct Sample {
    std::string file;                     // in the folder
    std::array<std::string, 3> captions;  // of .txt, .caption, .json
};

// What cannot be read says nothing.
std::string caption_in_json(const std::string& text, const std::string& name) {
    try {
        const nlohmann::json said = parse_json(text, name);
        for (const char* key : {"caption", "text", "prompt"})
            if (said.is_object() && said.contains(key) && said[key].is_string())
                return said[key].get<std::string>();
    } catch (const Error&) {
    }
    return {};
}

void write_plainly(const fs::path& file, const std::string& content) {
    std::ofstream stream(file, std::ios::binary);
    stream << content;
    stream.close();
    if (!stream) throw Error(file.string(), "cannot be written: is the disk full?");
}

void unpack(const fs::path& shard, const fs::path& folder) {
    Tar tar(shard);
    std::map<std::string, Sample> samples;
    std::size_t pictures = 0;
    while (const auto entry = tar.next()) {
        const Key key(entry->name);
        const std::string base = key.key.substr(key.key.rfind('/') + 1);
        if (base.empty()) continue;  // hidden files, which programs leave behind
        if (key.rest == ".txt" || key.rest == ".caption") {
            samples[key.key].captions[key.rest == ".txt" ? 0 : 1] =
                caption_in(tar.read(*entry, most_text));
        } else if (key.rest == ".json") {
            if (entry->size <= most_text)
                samples[key.key].captions[2] =
                    caption_in(caption_in_json(tar.read(*entry), entry->name));
        } else if (key.is_picture() && samples[key.key].file.empty()) {
            samples[key.key].file = plain_name(++pictures, key);
            write_plainly(folder / samples[key.key].file, tar.read(*entry));
        }
    }
    if (pictures == 0) throw Error(shard.string(), "holds no pictures (JPEG, PNG, WebP or TIFF)");
    std::map<std::string, ordered_json> lines;  // in the order of the tar
    for (const auto& [key, sample] : samples) {
        if (sample.file.empty()) continue;
        ordered_json line = {{"file_name", sample.file}, {"text", ordered_json::array()}};
        const auto said =
            std::ranges::find_if(sample.captions, [](const auto& text) { return !text.empty(); });
        if (said != sample.captions.end()) line["text"].push_back(*said);
        lines[sample.file] = std::move(line);
    }
    std::string list;
    for (const auto& [file, line] : lines) list += line.dump() + "\n";
    write_plainly(folder / "metadata.jsonl", list);
}

std::string content_of(const fs::path& shard) {
    std::ifstream stream(shard, std::ios::binary);
    Fingerprint content;
    std::string part(std::size_t{1} << 20, '\0');
    while (stream.read(part.data(), static_cast<std::streamsize>(part.size())) ||
           stream.gcount() > 0)
        content.add(std::string_view(part).substr(0, static_cast<std::size_t>(stream.gcount())));
    return content.text();
}

}  // namespace

bool is_shard(const fs::path& path) {
    return lower_extension(path) == ".tar";
}

bool is_compressed_shard(const fs::path& path) {
    const std::string last = lower_extension(path);
    return last == ".tgz" || (is_shard(path.stem()) &&
                              (last == ".gz" || last == ".bz2" || last == ".xz" || last == ".zst"));
}

fs::path shard_cache() {
    if (const fs::path folder = user_folder("XDG_CACHE_HOME", ".cache"); !folder.empty())
        return folder / "shards";
    throw Error("shards",
                "there is no place to unpack them: neither XDG_CACHE_HOME nor HOME is set");
}

fs::path unpacked_shard(const fs::path& shard, const fs::path& cache) {
    const Tar refuses(shard);  // what is no regular file
    const fs::path folder = cache / content_of(shard);
    if (is_there(folder / "metadata.jsonl")) return folder;
    fs::path beside = folder;
    beside += ".tmp-" + std::to_string(getpid());
    std::error_code error;
    fs::remove_all(beside, error);
    fs::create_directories(beside, error);
    if (error) throw Error(beside.string(), "cannot be made: " + error.message());
    try {
        unpack(shard, beside);
        fs::rename(beside, folder, error);
        // Another program was quicker: its folder is the same.
        if (error && !is_there(folder / "metadata.jsonl"))
            throw Error(folder.string(), "cannot be made: " + error.message());
    } catch (...) {
        fs::remove_all(beside, error);
        throw;
    }
    fs::remove_all(beside, error);
    return folder;
}

}  // namespace keepsake::editor
