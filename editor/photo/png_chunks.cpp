#include "editor/photo/png_chunks.h"

#include <algorithm>

namespace keepsake::editor {
namespace {

std::string big_endian(std::uint32_t number) {
    return {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
            static_cast<char>(number >> 8), static_cast<char>(number)};
}

// PNG 3, annex D, without its table: chunks made here are short.
std::uint32_t checksum(std::string_view bytes) {
    std::uint32_t crc = 0xFFFFFFFFu;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    return ~crc;
}

// Behind the chunk at `at`; the file's end where it is cut off.
std::size_t behind_chunk(std::string_view png, std::size_t at) {
    const auto length = number_at(png, at, 4, false);
    if (!length || png.size() - at < 12 || *length > png.size() - at - 12) return png.size();
    return at + 12 + std::size_t{*length};
}

std::string without_chunk(std::string png, std::string_view name) {
    std::size_t at = 8;
    while (at < png.size()) {
        const std::size_t end = behind_chunk(png, at);
        const std::string_view found =
            std::string_view(png).substr(at + std::min<std::size_t>(4, png.size() - at), 4);
        if (found == name) {
            png.erase(at, end - at);
        } else {
            at = end;
        }
    }
    return png;
}

}  // namespace

std::optional<std::uint32_t> number_at(std::string_view bytes, std::size_t at, std::size_t size,
                                       bool little_endian) {
    if (at > bytes.size() || bytes.size() - at < size) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t place = little_endian ? size - 1 - i : i;
        value = value << 8 | static_cast<unsigned char>(bytes[at + place]);
    }
    return value;
}

std::optional<std::string_view> png_chunk_named(std::string_view png, std::string_view name) {
    std::size_t at = 8;  // behind the signature
    while (const auto length = number_at(png, at, 4, false)) {
        if (png.size() - at < 12 || *length > png.size() - at - 12) return std::nullopt;
        if (png.substr(at + 4, 4) == name) return png.substr(at + 8, *length);
        at = behind_chunk(png, at);
    }
    return std::nullopt;
}

std::string png_chunk_of(std::string_view name, std::string_view content) {
    const std::string checked = std::string(name) + std::string(content);
    return big_endian(static_cast<std::uint32_t>(content.size())) + checked +
           big_endian(checksum(checked));
}

std::string png_with_chunks(std::string png, std::string_view chunks) {
    if (png.size() < png_head) return png;
    for (std::size_t at = 0; at < chunks.size(); at = behind_chunk(chunks, at)) {
        if (chunks.size() - at >= 8) png = without_chunk(std::move(png), chunks.substr(at + 4, 4));
    }
    return png.insert(png_head, chunks);
}

}  // namespace keepsake::editor
