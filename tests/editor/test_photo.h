// Photos made for a test.
#pragma once

#include <filesystem>
#include <string>

#include "editor/pixels.h"
#include "editor/vips_image.h"

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

// Writes it as its extension says, with an EXIF orientation when that is not 0.
inline void save_photo(const std::filesystem::path& path, const editor::Pixels& pixels,
                       int orientation = 0) {
    const editor::VipsHandle image = vips_copy_of(pixels);
    if (orientation > 0) vips_image_set_int(image.get(), VIPS_META_ORIENTATION, orientation);
    const std::string name = path.string() + (path.extension() == ".webp" ? "[lossless]" : "");
    if (vips_image_write_to_file(image.get(), name.c_str(), nullptr) != 0) {
        throw std::runtime_error(path.string() + ": " + editor::vips_failure());
    }
}

}  // namespace keepsake::testing
