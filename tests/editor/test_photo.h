// Photos made for a test.
#pragma once

#include <filesystem>
#include <string>

#include "editor/photo/pixels.h"
#include "editor/photo/vips_image.h"
#include "pipeline/files/atomic_file.h"

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

// A chunk of a PNG: length, name, content, checksum.
inline std::string png_chunk(const std::string& name, const std::string& content) {
    const std::string checked = name + content;
    std::uint32_t crc = 0xFFFFFFFFu;  // PNG 3, annex D
    for (const char c : checked) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    const auto big_endian = [](std::uint32_t n) {
        return std::string{char(n >> 24), char(n >> 16), char(n >> 8), char(n)};
    };
    return big_endian(static_cast<std::uint32_t>(content.size())) + checked + big_endian(~crc);
}

// The PNG with an eXIf chunk of just an orientation, as cameras' converters write one.
inline std::string with_exif_chunk(const std::string& png, int orientation) {
    const std::string exif = std::string("MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) +
                             static_cast<char>(orientation) + std::string(6, '\0');
    constexpr std::size_t header = 8 + 25;  // signature and IHDR
    return png.substr(0, header) + png_chunk("eXIf", exif) + png.substr(header);
}

// Writes it as its extension says, with an EXIF orientation when that is not 0.
inline void save_photo(const std::filesystem::path& path, const editor::Pixels& pixels,
                       int orientation = 0) {
    const editor::VipsHandle image = vips_copy_of(pixels);
    if (orientation > 0) vips_image_set_int(image.get(), VIPS_META_ORIENTATION, orientation);
    const std::string name = path.string() + (path.extension() == ".webp" ? "[lossless]" : "");
    if (vips_image_write_to_file(image.get(), name.c_str(), nullptr) != 0) {
        throw std::runtime_error(path.string() + ": " + editor::vips_failure());
    }
    if (orientation > 0 && path.extension() == ".png") {
        write_file_atomically(path, with_exif_chunk(read_file(path), orientation));
    }
}

}  // namespace keepsake::testing
