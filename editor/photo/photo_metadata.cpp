#include "editor/photo/photo_metadata.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "editor/photo/encode_photo.h"
#include "editor/photo/exif_block.h"
#include "editor/photo/exif_entries.h"
#include "editor/photo/iptc_block.h"
#include "editor/photo/picture_settings.h"
#include "editor/photo/png_text.h"

namespace keepsake::editor {
namespace {

std::vector<std::string> fields_of(VipsImage* image) {
    gchar** fields = vips_image_get_fields(image);
    const std::unique_ptr<gchar*, void (*)(gchar**)> owned(fields, g_strfreev);
    std::vector<std::string> names;
    for (gchar** field = fields; *field; ++field) names.emplace_back(*field);
    return names;
}

std::string text_of(VipsImage* image, const std::string& field) {
    const char* text = nullptr;
    if (vips_image_get_typeof(image, field.c_str()) != VIPS_TYPE_REF_STRING ||
        vips_image_get_string(image, field.c_str(), &text) != 0) {
        vips_error_clear();
        return {};
    }
    return text;
}

// Under which stable-diffusion-webui, ComfyUI, InvokeAI, Fooocus and their kin note how they made a
// picture.
bool is_generator_keyword(std::string_view keyword) {
    static constexpr std::array keywords = {
        "parameters",  "prompt",         "workflow",        "Dream",           "dream",
        "sd-metadata", "fooocus_scheme", "generation_data", "sui_image_params"};
    return keyword.starts_with("invokeai_") ||
           std::ranges::find(keywords, keyword) != keywords.end();
}

// NovelAI tells its settings under ordinary names.
bool is_by_novelai(VipsImage* image, const std::vector<std::string>& fields) {
    return std::ranges::any_of(fields, [&](const std::string& field) {
        return png_keyword(field) == "Software" && text_of(image, field) == "NovelAI";
    });
}

bool is_novelai_keyword(std::string_view keyword) {
    static constexpr std::array keywords = {"Title",   "Description", "Software",
                                            "Comment", "Source",      "Generation time"};
    return std::ranges::find(keywords, keyword) != keywords.end();
}

// Text of a PNG that is true of the picture before alone, or hides a copy of its EXIF block.
bool is_unwanted_text(VipsImage* image, const std::string& field, bool novelai, bool strip_place) {
    const std::string keyword = png_keyword(field);
    if (keyword.empty()) return false;
    if (keyword.starts_with("Raw profile type") || keyword == recipe_keyword) return true;
    if (is_generator_keyword(keyword) || (novelai && is_novelai_keyword(keyword))) return true;
    if (strip_place && is_place_name(keyword)) return true;
    return is_generation_text(text_of(image, field));
}

void set_blob(VipsImage* image, const char* field, const std::string& bytes) {
    if (bytes.empty()) {
        vips_image_remove(image, field);
    } else {
        vips_image_set_blob_copy(image, field, bytes.data(), bytes.size());
    }
}

// XMP and the resources that Photoshop puts beside it.
void update_packets(VipsImage* image, const ExportOptions& options, PictureSource source) {
    const std::string_view packet = metadata_block(image, VIPS_META_XMP_NAME);
    set_blob(image, VIPS_META_XMP_NAME,
             updated_xmp(packet,
                         {image->Xsize, image->Ysize, options.strip_gps, options.recipe, source}));
    for (const char* field : {VIPS_META_IPTC_NAME, VIPS_META_PHOTOSHOP_NAME}) {
        set_blob(image, field, kept_resources(metadata_block(image, field), options.strip_gps));
    }
}

}  // namespace

void update_metadata(VipsImage* image, const ExportOptions& options, PictureSource source) {
    const std::vector<std::string> fields = fields_of(image);
    const bool novelai = is_by_novelai(image, fields);
    const std::string exif =
        updated_exif(exif_block(image), {image->Xsize, image->Ysize, options.strip_gps});
    for (const std::string& field : fields) {
        // What libvips read of the EXIF block, whose thumbnail is the picture before, and of a
        // TIFF, which is in that block too.
        const bool parsed = field.starts_with("exif-") && field != VIPS_META_EXIF_NAME;
        if (parsed || field == "jpeg-thumbnail-data" || field == VIPS_META_IMAGEDESCRIPTION ||
            is_unwanted_text(image, field, novelai, options.strip_gps)) {
            vips_image_remove(image, field.c_str());
        }
    }
    hang_exif(image, exif);
    vips_image_set_int(image, VIPS_META_ORIENTATION, 1);
    update_packets(image, options, source);
    if (!options.recipe.empty()) {
        vips_image_set_string(image, recipe_field, options.recipe.c_str());
    }
}

void hang_parameters(VipsImage* image, const std::string& text, bool is_png) {
    if (text.empty()) return;
    if (is_png)
        vips_image_set_string(image, "png-comment-1-parameters", text.c_str());
    else
        hang_exif(image, exif_with_comment(text, exif_block(image)));
}

}  // namespace keepsake::editor
