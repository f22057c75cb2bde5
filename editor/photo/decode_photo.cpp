#include "editor/photo/decode_photo.h"

#include <vector>

#include "editor/photo/exif_block.h"
#include "editor/photo/exif_entries.h"
#include "editor/photo/icc_profile.h"
#include "editor/photo/iptc_block.h"
#include "editor/photo/jpeg_xmp.h"
#include "editor/photo/png_colour.h"
#include "editor/photo/png_exif.h"
#include "editor/photo/png_text.h"
#include "editor/photo/tiff_channels.h"
#include "editor/photo/tiff_metadata.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

void adopt_png_colours(VipsImage* image, std::string_view png) {
    const std::string profile = png_profile(png), chunks = png_colour_chunks(png);
    if (!profile.empty()) {
        vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile.data(), profile.size());
    }
    if (!chunks.empty()) {
        vips_image_set_blob_copy(image, png_colour_field, chunks.data(), chunks.size());
    }
}

void adopt_extended_xmp(VipsImage* image, std::string_view jpeg) {
    const std::string_view before = metadata_block(image, VIPS_META_XMP_NAME);
    const std::string packet = with_extended_xmp(jpeg, before);
    if (packet == before) return;
    vips_image_set_blob_copy(image, VIPS_META_XMP_NAME, packet.data(), packet.size());
}

void adopt_tiff_metadata(VipsImage* image, std::string_view tiff) {
    hang_exif(image, tiff_exif(tiff));
    const std::string iptc = turned_iptc(metadata_block(image, VIPS_META_IPTC_NAME));
    if (iptc.empty()) return;
    vips_image_set_blob_copy(image, VIPS_META_IPTC_NAME, iptc.data(), iptc.size());
}

// A profile for the colours that a camera tells in EXIF, where there is none.
void adopt_exif_colours(VipsImage* image) {
    const std::string_view block = exif_block(image);
    const bool told = vips_image_get_typeof(image, VIPS_META_ICC_NAME) != 0 ||
                      vips_image_get_typeof(image, png_colour_field) != 0;
    const bool is_rgb = image->Bands >= 3 && image->Type != VIPS_INTERPRETATION_CMYK;
    if (told || !is_rgb || block.empty() || !says_adobe_rgb(block)) return;
    const std::string profile = adobe_rgb_profile();
    vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile.data(), profile.size());
}

// What libvips does not read of a file's metadata.
void complete_metadata(VipsImage* image, const Photo& photo) {
    if (photo.extension == "png") {
        read_latin_text(image, photo.bytes);
        adopt_png_colours(image, photo.bytes);
    }
    if (photo.extension == "jpg") adopt_extended_xmp(image, photo.bytes);
    if (photo.extension == "tif") adopt_tiff_metadata(image, photo.bytes);
    adopt_exif_colours(image);
}

// These channels of the image, in this order; at least one.
VipsHandle channels_of(const Photo& photo, VipsImage* image, const std::vector<int>& channels) {
    std::vector<VipsHandle> planes;
    std::vector<VipsImage*> borrowed;
    for (const int channel : channels) {
        VipsImage* made = nullptr;
        const int status = vips_extract_band(image, &made, channel, nullptr);
        planes.push_back(checked(photo, status, made));
        borrowed.push_back(planes.back().get());
    }
    VipsImage* made = nullptr;
    const int status =
        vips_bandjoin(borrowed.data(), &made, static_cast<int>(borrowed.size()), nullptr);
    return checked(photo, status, made);
}

// Without the channels that are neither colour nor transparency.
VipsHandle picture_channels(const Photo& photo, VipsHandle image) {
    if (photo.extension != "tif") return image;
    const TiffChannels told = tiff_channels(photo.bytes);
    const int all = told.colours + static_cast<int>(told.alpha.size() + told.others.size());
    if (told.others.empty() || all != image->Bands) return image;
    std::vector<int> channels;
    for (int i = 0; i < told.colours; ++i) channels.push_back(i);
    channels.insert(channels.end(), told.alpha.begin(), told.alpha.end());
    const bool deep = image->BandFmt == VIPS_FORMAT_USHORT;
    VipsHandle picture = channels_of(photo, image.get(), channels);
    if (told.colours == 1) {
        picture->Type = deep ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W;
    }
    return picture;
}

bool is_real(const VipsHandle& image) {
    return image->BandFmt == VIPS_FORMAT_FLOAT || image->BandFmt == VIPS_FORMAT_DOUBLE;
}

// Linear light from 0 to 1, grey or RGB, as sRGB of 16 bits.
VipsHandle from_linear(const Photo& photo, VipsHandle image) {
    const bool grey = image->Bands < 3;
    if (grey) {
        std::vector<int> channels = {0, 0, 0};
        if (image->Bands == 2) channels.push_back(1);
        image = channels_of(photo, image.get(), channels);
    }
    image->Type = VIPS_INTERPRETATION_scRGB;
    VipsImage* made = nullptr;
    int status = vips_colourspace(image.get(), &made, VIPS_INTERPRETATION_RGB16, nullptr);
    image = checked(photo, status, made);
    if (!grey) return image;
    image = channels_of(photo, image.get(),
                        image->Bands == 4 ? std::vector<int>{0, 3} : std::vector<int>{0});
    image->Type = VIPS_INTERPRETATION_GREY16;
    return image;
}

// Numbers from 0 to 1, or of 32 bits, as such of 16 bits.
VipsHandle scaled_to_16_bits(const Photo& photo, VipsHandle image) {
    VipsImage* made = nullptr;
    const double factor = is_real(image) ? 65535.0 : 1.0 / 65537.0;
    int status = vips_linear1(image.get(), &made, factor, 0.5, nullptr);
    const VipsHandle scaled = checked(photo, status, made);
    status = vips_cast_ushort(scaled.get(), &made, nullptr);
    image = checked(photo, status, made);
    if (image->Type != VIPS_INTERPRETATION_CMYK) {
        image->Type = image->Bands < 3 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16;
    }
    return image;
}

// libvips takes numbers of 32 bits for such of 8. Floating point without a profile is linear light,
// with one it is in the profile's curve (so Photoshop writes both).
VipsHandle whole_samples(const Photo& photo, VipsHandle image) {
    const bool plain = image->BandFmt == VIPS_FORMAT_UCHAR || image->BandFmt == VIPS_FORMAT_USHORT;
    const bool numbers =
        image->Type == VIPS_INTERPRETATION_MULTIBAND || image->Type == VIPS_INTERPRETATION_B_W ||
        image->Type == VIPS_INTERPRETATION_GREY16 || image->Type == VIPS_INTERPRETATION_sRGB ||
        image->Type == VIPS_INTERPRETATION_RGB || image->Type == VIPS_INTERPRETATION_RGB16 ||
        image->Type == VIPS_INTERPRETATION_scRGB || image->Type == VIPS_INTERPRETATION_CMYK;
    if (plain || !numbers) return image;
    if (!is_real(image) && image->BandFmt != VIPS_FORMAT_UINT) {
        throw Error(photo.path.string(),
                    "has samples with a sign, which no photo has: save it with 8 or 16 bits a "
                    "sample, without sign");
    }
    const bool linear =
        is_real(image) && !has_profile(image) && image->Type != VIPS_INTERPRETATION_CMYK;
    return linear ? from_linear(photo, std::move(image))
                  : scaled_to_16_bits(photo, std::move(image));
}

VipsHandle upright(const Photo& photo, VipsHandle image, int orientation) {
    vips_image_set_int(image.get(), VIPS_META_ORIENTATION, orientation);
    VipsImage* made = nullptr;
    const int status = vips_autorot(image.get(), &made, nullptr);
    return checked(photo, status, made);
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
    return photo.extension == "webp" ? exif_orientation(exif_block(image)) : orientation;
}

bool has_profile(const VipsHandle& image) {
    return vips_image_get_typeof(image.get(), VIPS_META_ICC_NAME) != 0;
}

VipsHandle decode_upright(const Photo& photo) {
    const VipsHandle image = open_image(photo);
    // libvips shares what it loads, so that the original must not be changed.
    VipsImage* made = nullptr;
    const int status = vips_copy(image.get(), &made, nullptr);
    VipsHandle copy = checked(photo, status, made);
    complete_metadata(copy.get(), photo);
    copy = whole_samples(photo, picture_channels(photo, std::move(copy)));
    return upright(photo, std::move(copy), orientation_of(photo, image.get()));
}

VipsHandle decode_others(const Photo& photo) {
    if (photo.extension != "tif") return nullptr;
    const TiffChannels told = tiff_channels(photo.bytes);
    if (told.others.empty()) return nullptr;
    const VipsHandle image = open_image(photo);
    if (told.others.back() >= image->Bands) return nullptr;
    VipsHandle others = channels_of(photo, image.get(), told.others);
    if (others->BandFmt != VIPS_FORMAT_UCHAR && others->BandFmt != VIPS_FORMAT_USHORT) {
        others = scaled_to_16_bits(photo, std::move(others));
    }
    return upright(photo, std::move(others), orientation_of(photo, image.get()));
}

VipsHandle to_srgb(const Photo& photo, VipsHandle image, int bits) {
    vips_image_remove(image.get(), png_colour_field);
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
