// Photos made for a test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "editor/pixels.h"
#include "editor/vips_image.h"
#include "pipeline/atomic_file.h"

namespace keepsake::testing {

// Four plain quarters, so that every turn and mirror image of it looks different: red, green over
// blue, white.
inline editor::Pixels quarters(int width, int height) {
    editor::Pixels pixels{width, height, {}};
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const bool left = x < width / 2, top = y < height / 2;
            const bool white = !left && !top;
            pixels.rgb.push_back((left && top) || white ? 255 : 0);
            pixels.rgb.push_back((!left && top) || white ? 255 : 0);
            pixels.rgb.push_back((left && !top) || white ? 255 : 0);
        }
    }
    return pixels;
}

// A vips image that owns its pixels.
inline editor::VipsHandle vips_copy_of(const editor::Pixels& pixels) {
    editor::start_vips();
    VipsImage* image = vips_image_new_from_memory_copy(
        pixels.rgb.data(), pixels.rgb.size(), pixels.width, pixels.height, 3, VIPS_FORMAT_UCHAR);
    image->Type = VIPS_INTERPRETATION_sRGB;
    return editor::VipsHandle(image);
}

// Puts an eXIf chunk behind the header of a PNG, as libvips does not: EXIF in big-endian order with
// one entry.
inline void add_png_orientation(const std::filesystem::path& path, int orientation) {
    const std::string header("MM\0\x2a\0\0\0\x08\0\x01", 10);
    const std::string entry("\x01\x12\0\x03\0\0\0\x01\0", 9);
    std::string chunk = "eXIf" + header + entry + static_cast<char>(orientation);
    chunk += std::string(2 + 4, '\0');  // the entry's rest, and no further directory
    std::uint32_t crc = 0xffffffff;     // PNG specification, annex D
    for (const char c : chunk) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? 0xedb88320 ^ (crc >> 1) : crc >> 1;
    }
    crc = ~crc;
    std::string length(3, '\0');
    length += static_cast<char>(chunk.size() - 4);
    for (int shift = 24; shift >= 0; shift -= 8) chunk += static_cast<char>(crc >> shift & 0xff);
    constexpr std::size_t behind_header = 8 + 12 + 13;
    std::string bytes = read_file(path);
    bytes.insert(behind_header, length + chunk);
    std::ofstream(path, std::ios::binary) << bytes;
}

// Writes it as its extension says, with an EXIF orientation when that is not 0.
inline void save_photo(const std::filesystem::path& path, const editor::Pixels& pixels,
                       int orientation = 0) {
    const editor::VipsHandle image = vips_copy_of(pixels);
    const bool png = path.extension() == ".png";
    if (orientation > 0 && !png)
        vips_image_set_int(image.get(), VIPS_META_ORIENTATION, orientation);
    const std::string name = path.string() + (path.extension() == ".webp" ? "[lossless]" : "");
    if (vips_image_write_to_file(image.get(), name.c_str(), nullptr) != 0) {
        throw std::runtime_error(path.string() + ": " + editor::vips_failure());
    }
    if (orientation > 0 && png) add_png_orientation(path, orientation);
}

}  // namespace keepsake::testing
