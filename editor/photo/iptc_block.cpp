#include "editor/photo/iptc_block.h"

#include <algorithm>
#include <cstdint>
#include <utility>

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

}  // namespace

std::string_view bare_iptc(std::string_view block) {
    if (!block.starts_with(resources)) return block.starts_with('\x1c') ? block : "";
    block.remove_prefix(resources.size());
    // Each: signature, number, name (a byte of length, even altogether), size, content.
    while (block.size() >= 12 && block.starts_with(signature)) {
        const std::uint32_t id = number(block, 4, 2);
        const std::size_t head = 6 + even(1 + static_cast<unsigned char>(block[6]));
        if (block.size() < head + 4) return {};
        const std::size_t size = number(block, head, 4);
        block.remove_prefix(head + 4);
        if (size > block.size()) return {};
        if (id == iptc_resource) return block.substr(0, size);
        block.remove_prefix(std::min(even(size), block.size()));
    }
    return {};
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
