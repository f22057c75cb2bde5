#include "editor/photo/png_exif.h"

#include <cstddef>
#include <cstdint>

#include "editor/photo/png_chunks.h"

namespace keepsake::editor {

int png_orientation(std::string_view png) {
    return exif_orientation(png_chunk_named(png, "eXIf").value_or(""));
}

bool is_animated_png(std::string_view png) {
    return png_chunk_named(png, "acTL").has_value();
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
