#include "editor/photo/thumbnail.h"

#include <cstring>
#include <string>

#include "editor/photo/vips_image.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

VipsHandle checked(const std::filesystem::path& path, int status, VipsImage* made) {
    if (status != 0) throw Error(path.string(), "cannot be read as an image: " + vips_failure());
    return VipsHandle(made);
}

}  // namespace

Pixels load_thumbnail(const std::filesystem::path& path, int side) {
    start_vips();
    // vips_thumbnail turns the picture upright and converts it to sRGB by its profile.
    VipsImage* made = nullptr;
    int status = vips_thumbnail(path.c_str(), &made, side, "height", side, "size", VIPS_SIZE_DOWN,
                                "export_profile", "srgb", nullptr);
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
