#include "editor/photo/image_file.h"

#include "editor/photo/encode_photo.h"
#include "editor/photo/photo.h"
#include "editor/photo/photo_metadata.h"
#include "editor/photo/png_text.h"
#include "editor/photo/vips_image.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
void write_image(const std::filesystem::path& path, const Pixels& pixels, const ImageNotes& notes) {
    start_vips();
    if (!has_photo_extension(path)) {
        throw Error(path.string(), "is no image file name; end it in .png, .jpg, .webp or .tif");
    }
    const VipsHandle image = vips_image_of(pixels, path.string());
    if (!notes.recipe.empty()) {
        vips_image_set_string(image.get(), recipe_field, notes.recipe.c_str());
    }
    const bool is_png = lower_extension(path) == ".png";
    hang_parameters(image.get(), notes.parameters, is_png);
    if (notes.source != PictureSource::as_before) {
        const std::string packet = updated_xmp(
            {}, {pixels.width, pixels.height, false, is_png ? "" : notes.recipe, notes.source});
        vips_image_set_blob_copy(image.get(), VIPS_META_XMP_NAME, packet.data(), packet.size());
    }
    write_file_atomically(path, encode_photo(path, image.get(), {}, {.quality = notes.quality}));
}

std::string png_bytes(const Pixels& pixels) {
    start_vips();
    const std::string name = "picture.png";
    return encode_photo(name, vips_image_of(pixels, name).get(), {}, {});
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
        if (png_keyword(*field) == recipe_keyword &&
            vips_image_get_string(image.get(), *field, &text) == 0) {
            return text;
        }
    }
    return recipe_in_xmp(metadata_block(image.get(), VIPS_META_XMP_NAME));
}

}  // namespace keepsake::editor
