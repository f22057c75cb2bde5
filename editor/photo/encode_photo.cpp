#include "editor/photo/encode_photo.h"

#include <webp/decode.h>

#include <cstring>
#include <vector>

#include "editor/photo/decode_photo.h"
#include "editor/photo/exif_block.h"
#include "editor/photo/exif_entries.h"
#include "editor/photo/iptc_block.h"
#include "editor/photo/jpeg_segments.h"
#include "editor/photo/jpeg_settings.h"
#include "editor/photo/jpeg_xmp.h"
#include "editor/photo/png_chunks.h"
#include "editor/photo/png_text.h"
#include "editor/photo/tiff_channels.h"
#include "editor/photo/tiff_metadata.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

// Where the photo itself gives no hint: visibly lossless, as cameras write.
constexpr int jpeg_default_quality = 95;
constexpr int webp_default_quality = 92;

// So that a file of a hundred megabytes is not copied for what is added to it.
constexpr std::size_t room_for_metadata = 1 << 18;

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
    // A JPEG with half of its chroma away gets no better by writing all of it. Without a photo to
    // be like, libvips chooses by the quality.
    const bool halved = was_jpeg && field_says(image, "jpeg-chroma-subsample", "4:2:0");
    const VipsForeignSubsample without =
        photo.bytes.empty() ? VIPS_FOREIGN_SUBSAMPLE_AUTO : VIPS_FOREIGN_SUBSAMPLE_OFF;
    const double white[] = {255, 255, 255};
    VipsArrayDouble* background = vips_array_double_new(white, 3);
    const int status = vips_jpegsave_buffer(
        image, &out.data, &out.size, "Q", options.quality.value_or(quality), "optimize_coding",
        TRUE, "interlace", has_field(image, "jpeg-multiscan") ? TRUE : FALSE, "subsample_mode",
        halved ? VIPS_FOREIGN_SUBSAMPLE_ON : without, "background", background, nullptr);
    vips_area_unref(VIPS_AREA(background));
    return status;
}

// How hard libwebp tries. Of lossless files its quality is effort, too.
struct WebpEffort {
    int effort, lossless_quality;
};

// Less for large photos, which would take ten seconds and more. Chosen by tests/bench/README.md,
// "Time and memory".
WebpEffort webp_effort(const VipsImage* image, bool lossless) {
    constexpr std::int64_t large = 6'000'000, huge = 14'000'000;
    const std::int64_t pixels = std::int64_t{image->Xsize} * image->Ysize;
    if (pixels < large) return {4, 75};
    if (lossless) return {pixels < huge ? 1 : 0, 20};
    return {pixels < huge ? 2 : 1, 20};
}

int save_webp(VipsImage* image, const Photo& photo, const ExportOptions& options, Encoded& out) {
    const bool lossless = !options.quality && is_lossless_webp(photo);
    const WebpEffort effort = webp_effort(image, lossless);
    const int quality = options.quality.value_or(webp_default_quality);
    return vips_webpsave_buffer(image, &out.data, &out.size, "Q",
                                lossless ? effort.lossless_quality : quality, "lossless",
                                lossless ? TRUE : FALSE, "effort", effort.effort, nullptr);
}

// Photos gain little from more than this, which takes several times as long; small pictures are
// done at once.
int save_png(VipsImage* image, Encoded& out) {
    constexpr std::int64_t small = 1'100'000;
    if (std::int64_t{image->Xsize} * image->Ysize < small) {
        return vips_pngsave_buffer(image, &out.data, &out.size, nullptr);
    }
    return vips_pngsave_buffer(image, &out.data, &out.size, "compression", 2, "filter",
                               VIPS_FOREIGN_PNG_FILTER_SUB, nullptr);
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
    return save_png(image, out);
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

// IPTC as the format holds it. libvips passes on what it found, whatever format that was in.
void adapt_iptc(VipsImage* image, const std::string& extension) {
    const std::string_view block = metadata_block(image, VIPS_META_IPTC_NAME);
    if (block.empty()) return;
    const std::string adapted = is_jpeg(extension) ? jpeg_iptc(block) : "";
    vips_image_remove(image, VIPS_META_IPTC_NAME);
    if (adapted.empty()) return;
    vips_image_set_blob_copy(image, VIPS_META_IPTC_NAME, adapted.data(), adapted.size());
}

// What libvips leaves out of a format, or writes in a way of its own; to be taken from an image
// before it is encoded.
struct Remainder {
    std::string exif;
    std::string xmp;                 // of JPEG
    std::string iptc, maker_note;    // of TIFF
    std::size_t other_channels = 0;  // of TIFF
    std::vector<PngText> texts;      // of PNG
    std::string colours;             // of PNG: whole chunks
};

void take_tiff_remainder(VipsImage* image, const Photo& photo, Remainder& rest) {
    rest.iptc = bare_iptc(metadata_block(image, VIPS_META_IPTC_NAME));
    if (photo.extension == "tif" && has_maker_note(rest.exif)) {
        rest.maker_note = tiff_maker_note(photo.bytes);
    }
    int others = 0;
    if (has_field(image, other_channels_field) &&
        vips_image_get_int(image, other_channels_field, &others) == 0) {
        rest.other_channels = static_cast<std::size_t>(others);
    }
}

Remainder take_remainder(VipsImage* image, const Photo& photo, const std::string& extension) {
    Remainder rest;
    rest.exif = exif_block(image);
    if (is_tiff(extension)) take_tiff_remainder(image, photo, rest);
    if (extension == ".png") {
        rest.texts = take_unicode_text(image);
        rest.colours = metadata_block(image, png_colour_field);
    }
    if (is_jpeg(extension)) {
        rest.xmp = metadata_block(image, VIPS_META_XMP_NAME);
        vips_image_remove(image, VIPS_META_XMP_NAME);
    }
    adapt_iptc(image, extension);
    return rest;
}

std::string jpeg_with_remainder(const std::filesystem::path& path, std::string file,
                                const Remainder& rest) {
    constexpr std::size_t room = jpeg_segment_room - exif_prefix.size();
    if (rest.exif.size() > room) {
        throw Error(path.string(), "cannot hold the photo's EXIF, " +
                                       std::to_string(rest.exif.size()) +
                                       " bytes: a JPEG has room for 64 kB; export a PNG, WebP or "
                                       "TIFF");
    }
    auto with_xmp = jpeg_with_xmp(std::move(file), rest.xmp);
    if (!with_xmp) {
        throw Error(path.string(), "cannot hold the photo's XMP, " +
                                       std::to_string(rest.xmp.size()) +
                                       " bytes that cannot be divided; export a PNG, WebP or TIFF");
    }
    return jpeg_with_exif(std::move(*with_xmp), rest.exif);
}

std::string with_remainder(const std::filesystem::path& path, std::string file,
                           const Remainder& rest) {
    const std::string extension = lower_extension(path);
    if (is_jpeg(extension)) return jpeg_with_remainder(path, std::move(file), rest);
    if (is_tiff(extension)) {
        file = tiff_with_others(std::move(file), rest.other_channels);
        return tiff_with_metadata(std::move(file), {rest.exif, rest.maker_note, rest.iptc});
    }
    if (extension == ".webp") return webp_with_exif(std::move(file), rest.exif);
    file = png_with_exif(png_with_chunks(std::move(file), rest.colours), rest.exif);
    return png_with_text(std::move(file), rest.texts);
}

}  // namespace

bool is_lossy(const Photo& photo) {
    return photo.extension == "jpg" || (photo.extension == "webp" && !is_lossless_webp(photo));
}

std::string encode_photo(const std::filesystem::path& path, VipsImage* image, const Photo& photo,
                         const ExportOptions& options) {
    const std::string extension = lower_extension(path);
    const Remainder rest = take_remainder(image, photo, extension);
    const bool holds_bytes = is_jpeg(extension) || extension == ".webp";
    VipsHandle bytes;
    if (holds_bytes && image->BandFmt != VIPS_FORMAT_UCHAR) bytes = as_bytes(path, image);
    Encoded out;
    if (save(extension, bytes ? bytes.get() : image, photo, options, out) != 0) {
        throw Error(path.string(), "cannot be encoded: " + vips_failure());
    }
    std::unique_ptr<void, void (*)(gpointer)> owned(out.data, g_free);
    std::string file;
    file.reserve(out.size + room_for_metadata);
    file.append(static_cast<const char*>(out.data), out.size);
    owned.reset();
    return with_remainder(path, std::move(file), rest);
}

}  // namespace keepsake::editor
