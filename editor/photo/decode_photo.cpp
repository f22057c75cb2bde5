#include "editor/photo/decode_photo.h"

#include "editor/photo/exif_block.h"
#include "editor/photo/iptc_block.h"
#include "editor/photo/png_exif.h"
#include "editor/photo/png_text.h"
#include "editor/photo/tiff_metadata.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

// What libvips does not read of a file's metadata.
void complete_metadata(VipsImage* image, const Photo& photo) {
    if (photo.extension == "png") read_latin_text(image, photo.bytes);
    if (photo.extension != "tif") return adopt_exif(image, bare_exif(image));
    adopt_exif(image, tiff_exif(photo.bytes));
    const std::string iptc = turned_iptc(metadata_block(image, VIPS_META_IPTC_NAME));
    if (iptc.empty()) return;
    vips_image_set_blob_copy(image, VIPS_META_IPTC_NAME, iptc.data(), iptc.size());
}

}  // namespace

void refuse_damaged(const Photo& photo) {
    throw Error(
        photo.path.string(),
        "cannot be decoded, it seems to be damaged: try another copy (" + vips_failure() + ")");
}

VipsHandle checked(const Photo& photo, int status, VipsImage* made) {
    if (status != 0) refuse_damaged(photo);
    return VipsHandle(made);
}

VipsHandle open_image(const Photo& photo) {
    VipsImage* image = vips_image_new_from_buffer(photo.bytes.data(), photo.bytes.size(), "",
                                                  "fail_on", VIPS_FAIL_ON_TRUNCATED, nullptr);
    return checked(photo, image ? 0 : -1, image);
}

int orientation_of(const Photo& photo, VipsImage* image) {
    const int orientation = vips_image_get_orientation(image);
    if (orientation != 1) return orientation;
    if (photo.extension == "png") return png_orientation(photo.bytes);
    return photo.extension == "webp" ? exif_orientation(bare_exif(image)) : orientation;
}

bool has_profile(const VipsHandle& image) {
    return vips_image_get_typeof(image.get(), VIPS_META_ICC_NAME) != 0;
}

VipsHandle decode_upright(const Photo& photo) {
    const VipsHandle image = open_image(photo);
    // libvips shares what it loads, so that the original must not be changed.
    VipsImage* made = nullptr;
    int status = vips_copy(image.get(), &made, nullptr);
    const VipsHandle copy = checked(photo, status, made);
    complete_metadata(copy.get(), photo);
    vips_image_set_int(copy.get(), VIPS_META_ORIENTATION, orientation_of(photo, image.get()));
    status = vips_autorot(copy.get(), &made, nullptr);
    return checked(photo, status, made);
}

VipsHandle to_srgb(const Photo& photo, VipsHandle image, int bits) {
    VipsImage* out = nullptr;
    if (has_profile(image)) {
        if (vips_icc_transform(image.get(), &out, "srgb", "embedded", TRUE, "depth", bits, "intent",
                               VIPS_INTENT_RELATIVE, nullptr) == 0) {
            return VipsHandle(out);
        }
        // A broken profile, or one for other channels: the pixels as they are, as viewers show
        // them.
        vips_error_clear();
    }
    const int status = vips_colourspace(
        image.get(), &out, bits == 16 ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB,
        nullptr);
    return checked(photo, status, out);
}

}  // namespace keepsake::editor
