#include "editor/png_orientation.h"

#include <cstdint>

namespace keepsake::editor {
namespace {

// An unsigned number of `size` bytes at `at`; 0 beyond the end, which no valid field holds here.
std::uint64_t number(std::string_view bytes, std::uint64_t at, int size, bool big_endian) {
    if (at + size > bytes.size()) return 0;
    std::uint64_t value = 0;
    for (int i = 0; i < size; ++i) {
        const int place = big_endian ? i : size - 1 - i;
        value = value << 8 | static_cast<unsigned char>(bytes[at + place]);
    }
    return value;
}

// The body of the first eXIf chunk: a TIFF header and its first directory.
std::string_view exif_chunk(std::string_view png) {
    constexpr std::uint64_t signature = 8, frame = 12;  // a chunk's length, type and checksum
    std::uint64_t at = signature;
    while (at + frame <= png.size()) {
        const std::uint64_t length = number(png, at, 4, true);
        if (at + frame + length > png.size()) break;
        if (png.substr(at + 4, 4) == "eXIf") return png.substr(at + 8, length);
        at += frame + length;
    }
    return {};
}

}  // namespace

int png_orientation(std::string_view png) {
    constexpr std::uint64_t tag = 0x0112, type_short = 3, entry_size = 12;
    const std::string_view exif = exif_chunk(png);
    const bool big_endian = exif.substr(0, 2) == "MM";
    if (!big_endian && exif.substr(0, 2) != "II") return 1;
    const std::uint64_t directory = number(exif, 4, 4, big_endian);
    const std::uint64_t entries = number(exif, directory, 2, big_endian);
    for (std::uint64_t i = 0; i < entries; ++i) {
        const std::uint64_t entry = directory + 2 + i * entry_size;
        if (number(exif, entry, 2, big_endian) != tag) continue;
        const std::uint64_t value = number(exif, entry + 8, 2, big_endian);
        const bool valid = number(exif, entry + 2, 2, big_endian) == type_short && value <= 8;
        return valid && value >= 1 ? static_cast<int>(value) : 1;
    }
    return 1;
}

}  // namespace keepsake::editor
