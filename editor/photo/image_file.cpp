#include "editor/photo/image_file.h"

#include <cstring>

#include "editor/photo/photo.h"
#include "editor/photo/vips_image.h"
#include "editor/photo/xmp.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

bool is_recipe_field(const char* field) {
    return g_str_has_prefix(field, "png-comment-") && g_str_has_suffix(field, "-keepsake");
}

bool is_tiff(const std::string& extension) {
    return extension == ".tif" || extension == ".tiff";
}

int encode(const std::string& extension, std::optional<int> quality, VipsImage* image, void** data,
           size_t* size) {
    if (extension == ".png") return vips_pngsave_buffer(image, data, size, nullptr);
    if (is_tiff(extension)) {
        return vips_tiffsave_buffer(image, data, size, "compression",
                                    VIPS_FOREIGN_TIFF_COMPRESSION_DEFLATE, "predictor",
                                    VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, nullptr);
    }
    if (extension == ".webp") {
        return vips_webpsave_buffer(image, data, size, "Q", quality.value_or(92), nullptr);
    }
    return vips_jpegsave_buffer(image, data, size, "Q", quality.value_or(95), "optimize_coding",
                                TRUE, nullptr);
}

}  // namespace

void write_image(const std::filesystem::path& path, const Pixels& pixels, const std::string& recipe,
                 std::optional<int> quality) {
    start_vips();
    if (!has_photo_extension(path)) {
        throw Error(path.string(), "is no image file name; end it in .png, .jpg, .webp or .tif");
    }
    VipsImage* borrowed = vips_image_new_from_memory(
        pixels.rgb.data(), pixels.rgb.size(), pixels.width, pixels.height, 3, VIPS_FORMAT_UCHAR);
    VipsImage* tagged = nullptr;
    if (!borrowed ||
        vips_copy(borrowed, &tagged, "interpretation", VIPS_INTERPRETATION_sRGB, nullptr) != 0) {
        throw Error(path.string(), "cannot be encoded: " + vips_failure());
    }
    const VipsHandle source(borrowed), image(tagged);
    if (!recipe.empty()) vips_image_set_string(image.get(), recipe_field, recipe.c_str());
    void* data = nullptr;
    std::size_t size = 0;
    if (encode(lower_extension(path), quality, image.get(), &data, &size) != 0) {
        throw Error(path.string(), "cannot be encoded: " + vips_failure());
    }
    const std::unique_ptr<void, void (*)(gpointer)> owned(data, g_free);
    write_file_atomically(path, std::string_view(static_cast<const char*>(data), size));
}

std::optional<std::string> read_image_recipe(const std::filesystem::path& path) {
    start_vips();
    const std::string bytes = read_file(path);
    const VipsHandle image(vips_image_new_from_buffer(bytes.data(), bytes.size(), "", nullptr));
    if (!image) throw Error(path.string(), "is not an image that can be read: " + vips_failure());
    gchar** fields = vips_image_get_fields(image.get());
    const std::unique_ptr<gchar*, void (*)(gchar**)> owned(fields, g_strfreev);
    for (gchar** field = fields; *field; ++field) {
        const char* text = nullptr;
        if (is_recipe_field(*field) && vips_image_get_string(image.get(), *field, &text) == 0) {
            return text;
        }
    }
    const void* packet = nullptr;
    std::size_t size = 0;
    if (vips_image_get_typeof(image.get(), VIPS_META_XMP_NAME) == 0 ||
        vips_image_get_blob(image.get(), VIPS_META_XMP_NAME, &packet, &size) != 0) {
        vips_error_clear();
        return std::nullopt;
    }
    return recipe_in_xmp({static_cast<const char*>(packet), size});
}

}  // namespace keepsake::editor
