#include "editor/encode_photo.h"

#include <webp/decode.h>

#include <cstring>

#include "editor/exif_block.h"
#include "editor/jpeg_settings.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

// Where the photo itself gives no hint: visibly lossless, as cameras write.
constexpr int jpeg_default_quality = 95;
constexpr int webp_default_quality = 92;

struct Encoded {
    void* data = nullptr;
    std::size_t size = 0;
};

bool is_jpeg(const std::string& extension) {
    return extension == ".jpg" || extension == ".jpeg";
}

bool is_tiff(const std::string& extension) {
    return extension == ".tif" || extension == ".tiff";
}

bool field_says(VipsImage* image, const char* field, const char* value) {
    const char* text = nullptr;
    const bool found =
        vips_image_get_typeof(image, field) != 0 && vips_image_get_string(image, field, &text) == 0;
    return found && std::strcmp(text, value) == 0;
}

bool has_field(VipsImage* image, const char* field) {
    return vips_image_get_typeof(image, field) != 0;
}

bool is_lossless_webp(const Photo& photo) {
    constexpr int lossless = 2;  // of WebPBitstreamFeatures::format
    WebPBitstreamFeatures features;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(photo.bytes.data());
    return photo.extension == "webp" &&
           WebPGetFeatures(bytes, photo.bytes.size(), &features) == VP8_STATUS_OK &&
           features.format == lossless;
}

int save_jpeg(VipsImage* image, const Photo& photo, const ExportOptions& options, Encoded& out) {
    const bool was_jpeg = photo.extension == "jpg";
    int quality = jpeg_default_quality;
    if (was_jpeg) quality = jpeg_quality(photo.bytes).value_or(quality);
    // A JPEG with half of its chroma away gets no better by writing all of it.
    const bool halved = was_jpeg && field_says(image, "jpeg-chroma-subsample", "4:2:0");
    const double white[] = {255, 255, 255};
    VipsArrayDouble* background = vips_array_double_new(white, 3);
    const int status = vips_jpegsave_buffer(
        image, &out.data, &out.size, "Q", options.quality.value_or(quality), "optimize_coding",
        TRUE, "interlace", has_field(image, "jpeg-multiscan") ? TRUE : FALSE, "subsample_mode",
        halved ? VIPS_FOREIGN_SUBSAMPLE_ON : VIPS_FOREIGN_SUBSAMPLE_OFF, "background", background,
        nullptr);
    vips_area_unref(VIPS_AREA(background));
    return status;
}

int save_webp(VipsImage* image, const Photo& photo, const ExportOptions& options, Encoded& out) {
    const bool lossless = !options.quality && is_lossless_webp(photo);
    return vips_webpsave_buffer(image, &out.data, &out.size, "Q",
                                options.quality.value_or(webp_default_quality), "lossless",
                                lossless ? TRUE : FALSE, nullptr);
}

int save(const std::string& extension, VipsImage* image, const Photo& photo,
         const ExportOptions& options, Encoded& out) {
    if (is_jpeg(extension)) return save_jpeg(image, photo, options, out);
    if (extension == ".webp") return save_webp(image, photo, options, out);
    if (is_tiff(extension)) {
        return vips_tiffsave_buffer(image, &out.data, &out.size, "compression",
                                    VIPS_FOREIGN_TIFF_COMPRESSION_LZW, "predictor",
                                    VIPS_FOREIGN_TIFF_PREDICTOR_HORIZONTAL, nullptr);
    }
    // Photos gain little from more than this, which takes several times as long.
    return vips_pngsave_buffer(image, &out.data, &out.size, "compression", 2, "filter",
                               VIPS_FOREIGN_PNG_FILTER_SUB, nullptr);
}

// 8-bit samples for the formats that hold no others.
VipsHandle as_bytes(const std::filesystem::path& path, VipsImage* image) {
    VipsImage* made = nullptr;
    if (vips_cast(image, &made, VIPS_FORMAT_UCHAR, "shift", TRUE, nullptr) != 0) {
        throw Error(path.string(), "cannot be encoded: " + vips_failure());
    }
    if (made->Type == VIPS_INTERPRETATION_RGB16) made->Type = VIPS_INTERPRETATION_sRGB;
    if (made->Type == VIPS_INTERPRETATION_GREY16) made->Type = VIPS_INTERPRETATION_B_W;
    return VipsHandle(made);
}

}  // namespace

std::string encode_photo(const std::filesystem::path& path, VipsImage* image, const Photo& photo,
                         const ExportOptions& options) {
    const std::string extension = lower_extension(path);
    const bool holds_bytes = is_jpeg(extension) || extension == ".webp";
    VipsHandle bytes;
    if (holds_bytes && image->BandFmt != VIPS_FORMAT_UCHAR) bytes = as_bytes(path, image);
    Encoded out;
    if (save(extension, bytes ? bytes.get() : image, photo, options, out) != 0) {
        throw Error(path.string(), "cannot be encoded: " + vips_failure());
    }
    const std::unique_ptr<void, void (*)(gpointer)> owned(out.data, g_free);
    std::string file(static_cast<const char*>(out.data), out.size);
    return extension == ".webp" ? webp_with_bare_exif(std::move(file)) : file;
}

}  // namespace keepsake::editor
