#include "editor/photo/iptc_block.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace keepsake::editor {
namespace {

constexpr std::string_view resources("Photoshop 3.0\0", 14);
constexpr std::string_view signature("8BIM");
constexpr std::uint32_t iptc_resource = 1028;

// Big-endian, `size` bytes of it; the caller knows that they are there.
std::uint32_t number(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return value;
}

std::size_t even(std::size_t size) {
    return size + size % 2;
}

struct Resource {
    std::uint32_t id = 0;
    std::string_view whole, content;
};

// Up to the first damage. Each: signature, number, name (a byte of length, even altogether), size,
// content.
std::vector<Resource> resources_of(std::string_view block) {
    std::vector<Resource> found;
    if (block.starts_with(resources)) block.remove_prefix(resources.size());
    while (block.size() >= 12 && block.starts_with(signature)) {
        const std::uint32_t id = number(block, 4, 2);
        const std::size_t head = 6 + even(1 + static_cast<unsigned char>(block[6]));
        if (block.size() < head + 4) break;
        const std::size_t size = number(block, head, 4), at = head + 4;
        if (size > block.size() - at) break;
        const std::string_view whole = block.substr(0, at + even(size));
        found.push_back({id, whole, block.substr(at, size)});
        block.remove_prefix(whole.size());
    }
    return found;
}

// Adobe Photoshop File Formats Specification, "Image Resource IDs".
bool is_of_before(std::uint32_t id) {
    static constexpr std::array before = {0x0409u, 0x040Cu,   // thumbnails
                                          0x0422u, 0x0423u,   // EXIF
                                          0x0424u, 0x042Eu};  // XMP; what changed since
    return std::ranges::find(before, id) != before.end();
}

bool holds_no_place(std::uint32_t id) {
    static constexpr std::array harmless = {iptc_resource, 0x03EDu, 0x040Au, 0x0425u};
    return std::ranges::find(harmless, id) != harmless.end();
}

}  // namespace

std::string_view bare_iptc(std::string_view block) {
    if (!block.starts_with(resources)) return block.starts_with('\x1c') ? block : "";
    for (const Resource& resource : resources_of(block)) {
        if (resource.id == iptc_resource) return resource.content;
    }
    return {};
}

std::string kept_resources(std::string_view block, bool strip_place) {
    if (block.starts_with('\x1c')) return std::string(block);
    std::string kept;
    for (const Resource& resource : resources_of(block)) {
        if (is_of_before(resource.id) || (strip_place && !holds_no_place(resource.id))) continue;
        kept += resource.whole;
        if (kept.size() % 2 == 1) kept += '\0';
    }
    const bool named = !kept.empty() && block.starts_with(resources);
    return named ? std::string(resources) + kept : kept;
}

std::string turned_iptc(std::string_view block) {
    std::string out(block);
    constexpr char marker = 0x1c;  // with which records begin
    if (out.size() < 4 || out[0] == marker || out[3] != marker) return out;
    for (std::size_t at = 0; at + 4 <= out.size(); at += 4) {
        std::swap(out[at], out[at + 3]);
        std::swap(out[at + 1], out[at + 2]);
    }
    return out;
}

std::string jpeg_iptc(std::string_view block) {
    if (block.starts_with(resources)) return std::string(block);
    const std::string_view records = bare_iptc(block);
    if (records.empty()) return {};
    std::string out(resources);
    out += signature;
    out += static_cast<char>(iptc_resource >> 8);
    out += static_cast<char>(iptc_resource & 0xff);
    out += std::string(2, '\0');  // no name
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(records.size() >> shift);
    out += records;
    if (records.size() % 2 == 1) out += '\0';
    return out;
}

}  // namespace keepsake::editor
