#include "editor/photo/photo_metadata.h"

#include <cstring>
#include <string_view>
#include <vector>

#include "editor/photo/exif_block.h"
#include "editor/photo/image_file.h"
#include "editor/photo/xmp.h"

namespace keepsake::editor {
namespace {

// A JPEG holds a packet in one segment of 64 kB together with its name.
constexpr std::size_t largest_packet = 65000;

std::vector<std::string> fields_of(VipsImage* image) {
    gchar** fields = vips_image_get_fields(image);
    const std::unique_ptr<gchar*, void (*)(gchar**)> owned(fields, g_strfreev);
    std::vector<std::string> names;
    for (gchar** field = fields; *field; ++field) names.emplace_back(*field);
    return names;
}

// Stale: what other programs hid copies of the EXIF block in, and (libvips' names) the thumbnail of
// EXIF.
bool is_unwanted(std::string_view field) {
    if (field == "jpeg-thumbnail-data") return true;
    if (field.starts_with("exif-ifd1-")) return true;
    if (field.starts_with("png-comment-")) {
        return field.find("Raw profile type") != field.npos || field.ends_with("-keepsake");
    }
    return false;
}

void update_xmp(VipsImage* image, const ExportOptions& options) {
    const std::string before(metadata_block(image, VIPS_META_XMP_NAME));
    std::string packet = upright_xmp(before);
    if (options.strip_gps) packet = xmp_without_gps(std::move(packet));
    if (!options.recipe.empty()) {
        std::string with_recipe = xmp_with_recipe(packet, options.recipe);
        if (with_recipe.size() <= largest_packet) packet = std::move(with_recipe);
    }
    if (packet == before) return;
    vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, packet.data(), packet.size());
}

}  // namespace

void update_metadata(VipsImage* image, const ExportOptions& options) {
    for (const std::string& field : fields_of(image)) {
        if (is_unwanted(field)) vips_image_remove(image, field.c_str());
    }
    if (options.strip_gps) drop_place(image);
    vips_image_set_int(image, VIPS_META_ORIENTATION, 1);
    vips_image_set_string(image, "exif-ifd0-Software", "Keepsake " KEEPSAKE_VERSION);
    update_xmp(image, options);
    if (!options.recipe.empty()) {
        vips_image_set_string(image, recipe_field, options.recipe.c_str());
    }
}

}  // namespace keepsake::editor
