#include "editor/photo/thumbnail.h"

#include <cstring>
#include <string>

#include "editor/photo/decode_photo.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

VipsHandle checked(const std::filesystem::path& path, int status, VipsImage* made) {
    if (status != 0) throw Error(path.string(), "cannot be read as an image: " + vips_failure());
    return VipsHandle(made);
}

// PNG and TIFF, which no loader shrinks as it loads, and whose colours libvips does not know all
// of.
bool is_loaded_whole(const std::filesystem::path& path) {
    const char* loader = vips_foreign_find_load(path.c_str());
    vips_error_clear();
    const std::string name = loader ? loader : "";
    return name.find("Png") != name.npos || name.find("Tiff") != name.npos;
}

}  // namespace

Pixels load_thumbnail(const std::filesystem::path& path, int side) {
    start_vips();
    const bool whole = is_loaded_whole(path);
    const Photo photo = whole ? read_photo_file(path) : Photo{};
    VipsImage* made = nullptr;
    int status = 0;
    if (whole) {
        const VipsHandle full = to_srgb(photo, decode_upright(photo), 8);
        status = vips_thumbnail_image(full.get(), &made, side, "height", side, "size",
                                      VIPS_SIZE_DOWN, nullptr);
    } else {
        // It turns the picture upright and converts it to sRGB by its profile.
        status = vips_thumbnail(path.c_str(), &made, side, "height", side, "size", VIPS_SIZE_DOWN,
                                "export_profile", "srgb", nullptr);
    }
    VipsHandle image = checked(path, status, made);
    status = vips_colourspace(image.get(), &made, VIPS_INTERPRETATION_sRGB, nullptr);
    image = checked(path, status, made);
    if (vips_image_hasalpha(image.get())) {
        const double white[] = {255, 255, 255};
        VipsArrayDouble* background = vips_array_double_new(white, 3);
        status = vips_flatten(image.get(), &made, "background", background, nullptr);
        vips_area_unref(VIPS_AREA(background));
        image = checked(path, status, made);
    }
    status = vips_cast_uchar(image.get(), &made, nullptr);
    image = checked(path, status, made);
    if (image->Bands != 3) throw Error(path.string(), "has no three colour channels");
    std::size_t size = 0;
    const std::unique_ptr<void, void (*)(void*)> bytes(
        vips_image_write_to_memory(image.get(), &size), g_free);
    if (!bytes) throw Error(path.string(), "cannot be decoded: " + vips_failure());
    Pixels pixels{image->Xsize, image->Ysize, std::vector<std::uint8_t>(size)};
    std::memcpy(pixels.rgb.data(), bytes.get(), size);
    return pixels;
}

}  // namespace keepsake::editor
