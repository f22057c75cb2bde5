#include "editor/photo/png_exif.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace keepsake::editor {
namespace {

// `size` bytes at `at` as a number; none beyond the end.
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

// The content of the chunk of that name, or empty. Chunks: length, name, content, checksum.
std::string_view chunk_named(std::string_view png, std::string_view name) {
    std::size_t at = 8;  // behind the signature
    while (const auto length = number_at(png, at, 4, false)) {
        if (png.size() - at < 12 || *length > png.size() - at - 12) return {};
        if (png.substr(at + 4, 4) == name) return png.substr(at + 8, *length);
        at += 12 + std::size_t{*length};
    }
    return {};
}

}  // namespace

int png_orientation(std::string_view png) {
    return exif_orientation(chunk_named(png, "eXIf"));
}

bool is_animated_png(std::string_view png) {
    return !chunk_named(png, "acTL").empty();
}

int exif_orientation(std::string_view tiff) {
    constexpr int upright = 1;
    constexpr std::uint32_t orientation_tag = 0x0112, short_type = 3;
    // A TIFF header ("II" or "MM", 42, offset of the first directory), then its entries of 12
    // bytes.
    const bool little_endian = tiff.substr(0, 2) == "II";
    if (!little_endian && tiff.substr(0, 2) != "MM") return upright;
    const auto directory = number_at(tiff, 4, 4, little_endian);
    if (!directory) return upright;
    const auto entries = number_at(tiff, *directory, 2, little_endian);
    for (std::size_t i = 0; entries && i < *entries; ++i) {
        const std::size_t at = std::size_t{*directory} + 2 + 12 * i;
        if (number_at(tiff, at, 2, little_endian) != orientation_tag) continue;
        if (number_at(tiff, at + 2, 2, little_endian) != short_type) return upright;
        const auto value = number_at(tiff, at + 8, 2, little_endian);
        return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : upright;
    }
    return upright;
}

}  // namespace keepsake::editor
