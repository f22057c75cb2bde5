#include "editor/transfer/export_photo.h"

#include <algorithm>
#include <cmath>

#include "editor/photo/decode_photo.h"
#include "editor/photo/encode_photo.h"
#include "editor/photo/photo_metadata.h"
#include "editor/transfer/apply_change.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

using cv::Mat;

// Whether an edit can be applied to the samples as they are.
bool is_plain_colour(VipsImage* image) {
    const int colours = image->Bands - (vips_image_hasalpha(image) ? 1 : 0);
    const bool depth = image->BandFmt == VIPS_FORMAT_UCHAR || image->BandFmt == VIPS_FORMAT_USHORT;
    const bool rgb =
        image->Type == VIPS_INTERPRETATION_sRGB || image->Type == VIPS_INTERPRETATION_RGB16;
    return colours == 3 && depth && rgb;
}

// In memory and this program's own, so that samples and metadata can be changed.
VipsHandle own_copy(const Photo& photo, const VipsHandle& image) {
    VipsHandle copy(vips_image_new_memory());
    if (vips_image_write(image.get(), copy.get()) != 0) refuse_damaged(photo);
    return copy;
}

// A profile that cannot be used says nothing about the colours, which were taken for sRGB when the
// photo was loaded; left in, it would only trouble the next program.
void drop_broken_profile(VipsImage* image) {
    const void* profile = nullptr;
    std::size_t size = 0;
    if (vips_image_get_typeof(image, VIPS_META_ICC_NAME) == 0) return;
    if (vips_image_get_blob(image, VIPS_META_ICC_NAME, &profile, &size) == 0 &&
        vips_icc_is_compatible_profile(image, profile, size)) {
        return;
    }
    vips_error_clear();
    vips_image_remove(image, VIPS_META_ICC_NAME);
}

// A square in the colours of `like`'s profile, with 16 bits a sample; none where the profile is
// broken, as when the photo was loaded.
VipsHandle in_profile_of(VipsHandle square, VipsImage* like) {
    const void* profile = nullptr;
    std::size_t size = 0;
    VipsImage* made = nullptr;
    if (vips_image_get_blob(like, VIPS_META_ICC_NAME, &profile, &size) != 0 ||
        vips_icc_import(square.get(), &made, "input_profile", "srgb", "intent",
                        VIPS_INTENT_RELATIVE, nullptr) != 0) {
        vips_error_clear();
        return square;
    }
    const VipsHandle neutral(made);
    vips_image_set_blob_copy(neutral.get(), VIPS_META_ICC_NAME, profile, size);
    if (vips_icc_export(neutral.get(), &made, "depth", 16, "intent", VIPS_INTENT_RELATIVE,
                        nullptr) != 0) {
        vips_error_clear();
        return square;
    }
    VipsHandle exported(made);
    return exported->Bands == 3 ? std::move(exported) : std::move(square);
}

// CV_32FC3 in [0, 1].
Mat as_mat(const Photo& photo, const VipsHandle& image) {
    const VipsHandle memory = own_copy(photo, image);
    const bool deep = memory->BandFmt == VIPS_FORMAT_USHORT;
    const Mat samples(memory->Ysize, memory->Xsize, deep ? CV_16UC3 : CV_8UC3,
                      VIPS_IMAGE_ADDR(memory.get(), 0, 0));
    Mat floats;
    samples.convertTo(floats, CV_32F, deep ? 1.0 / 65535 : 1.0 / 255);
    return floats;
}

Mat square_for(const Photo& photo, const Pixels& pixels, VipsImage* like) {
    VipsHandle square = vips_image_of(pixels, photo.path.string());
    if (vips_image_get_typeof(like, VIPS_META_ICC_NAME) != 0) {
        square = in_profile_of(std::move(square), like);
    }
    return as_mat(photo, square);
}

// The photo with the edit, in memory, metadata of the photo still on it.
VipsHandle edited(const Photo& photo, const AreaEdit& edit, const EditRegion& region) {
    VipsHandle image = decode_upright(photo);
    const bool changes = edit.edit.rgb != edit.reconstruction.rgb;
    if (changes && !is_plain_colour(image.get())) {
        const int bits = image->BandFmt == VIPS_FORMAT_UCHAR ? 8 : 16;
        image = to_srgb(photo, std::move(image), bits);
    }
    VipsHandle copy = own_copy(photo, image);
    image.reset();
    drop_broken_profile(copy.get());
    if (!changes) return copy;
    if (!is_plain_colour(copy.get())) {
        throw Error(photo.path.string(),
                    "has " + std::to_string(copy->Bands) + " channels that make no colour picture");
    }
    const int channels = copy->Bands;
    Mat picture(copy->Ysize, copy->Xsize,
                CV_MAKETYPE(copy->BandFmt == VIPS_FORMAT_USHORT ? CV_16U : CV_8U, channels),
                VIPS_IMAGE_ADDR(copy.get(), 0, 0));
    apply_edit(picture,
               {edit.crop, square_for(photo, edit.reconstruction, copy.get()),
                square_for(photo, edit.edit, copy.get())},
               region);
    return copy;
}

// A TIFF's channels that are neither colour nor transparency (saved selections, depth) beside the
// edited picture, as they were.
VipsHandle with_others(const Photo& photo, VipsHandle image) {
    VipsHandle others = decode_others(photo);
    // libvips would write grey with two more channels as RGB.
    if (!others || image->Bands < 3) return image;
    VipsImage* made = nullptr;
    const VipsInterpretation of_depth = others->BandFmt == VIPS_FORMAT_USHORT
                                            ? VIPS_INTERPRETATION_RGB16
                                            : VIPS_INTERPRETATION_sRGB;
    others->Type = of_depth;
    int status = vips_cast(others.get(), &made, image->BandFmt, "shift", TRUE, nullptr);
    others = checked(photo, status, made);
    status = vips_bandjoin2(image.get(), others.get(), &made, nullptr);
    VipsHandle joined = checked(photo, status, made);
    joined->Type = image->Type;
    vips_image_set_int(joined.get(), other_channels_field, others->Bands);
    return joined;
}

// But for the rounding of sides.
bool has_shape_of(const Crop& crop, const Pixels& pixels) {
    const double height = double(pixels.width) * crop.height / crop.width;
    return std::abs(height - pixels.height) <= 1 + 0.01 * height;
}

}  // namespace

std::string export_extension(const Photo& photo) {
    return "." + photo.extension;
}

void export_photo(const std::filesystem::path& path, const Photo& photo, const AreaEdit& edit,
                  const EditRegion& region, const ExportOptions& options) {
    start_vips();
    if (!has_photo_extension(path)) {
        throw Error(path.string(), "is no photo file name; end it in .jpg, .png, .webp or .tif");
    }
    check_areas(edit);
    check_place(edit.crop, photo.pixels.width, photo.pixels.height);
    VipsHandle image = edited(photo, edit, region);
    const bool changes = edit.edit.rgb != edit.reconstruction.rgb;
    update_metadata(image.get(), options,
                    changes ? PictureSource::edited_by_model : PictureSource::as_before);
    const std::string extension = lower_extension(path);
    const bool is_tiff = extension == ".tif" || extension == ".tiff";
    hang_parameters(image.get(), options.parameters, extension == ".png");
    // 8 bits are too few for linear light, which PNG files without a profile often hold.
    const bool is_deep = image->BandFmt == VIPS_FORMAT_USHORT;
    if (is_deep && !is_tiff && extension != ".png" &&
        vips_image_get_typeof(image.get(), png_colour_field) != 0) {
        image = to_srgb(photo, std::move(image), 8);
    }
    if (is_tiff) image = with_others(photo, std::move(image));
    write_file_atomically(path, encode_photo(path, image.get(), photo, options));
}

Mask load_mask(const std::filesystem::path& path, const Photo& photo, const Crop& crop) {
    const Photo picture = load_photo(path, Backdrop::black);
    const Pixels& pixels = picture.pixels;
    Crop part{0, 0, pixels.width, pixels.height};
    if (pixels.width == photo.pixels.width && pixels.height == photo.pixels.height) {
        part = crop;
    } else if (!has_shape_of(crop, pixels)) {
        const auto size = [](int width, int height) {
            return std::to_string(width) + "x" + std::to_string(height);
        };
        throw Error(path.string(),
                    "is " + size(pixels.width, pixels.height) + "; a mask has the photo's size, " +
                        size(photo.pixels.width, photo.pixels.height) +
                        ", or the shape of what is edited, " + size(crop.width, crop.height));
    }
    Mask mask{part.width, part.height, {}};
    mask.values.reserve(std::size_t(part.width) * part.height);
    for (int y = part.y; y < part.y + part.height; ++y) {
        for (int x = part.x; x < part.x + part.width; ++x) {
            const std::uint8_t* p = &pixels.rgb[(std::size_t(y) * pixels.width + x) * 3];
            // BT.601, as grey pictures are made.
            mask.values.push_back(
                static_cast<std::uint8_t>((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000));
        }
    }
    return mask;
}

}  // namespace keepsake::editor
