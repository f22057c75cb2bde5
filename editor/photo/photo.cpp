#include "editor/photo/photo.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "editor/photo/cut_out.h"
#include "editor/photo/decode_photo.h"
#include "editor/photo/png_exif.h"
#include "editor/photo/raw_file.h"
#include "editor/photo/vips_image.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

constexpr int minimum_side = 16;
constexpr std::int64_t maximum_pixels = std::int64_t{1} << 28;

std::string size_text(int width, int height) {
    return std::to_string(width) + "x" + std::to_string(height);
}

// The extension of a format that Keepsake reads, or empty. libvips finds the loader by content.
std::string extension_of(const std::string& bytes) {
    const char* loader = vips_foreign_find_load_buffer(bytes.data(), bytes.size());
    vips_error_clear();
    const std::string name = loader ? loader : "";
    if (name.find("Jpeg") != std::string::npos) return "jpg";
    if (name.find("Png") != std::string::npos) return "png";
    if (name.find("Webp") != std::string::npos) return "webp";
    if (name.find("Tiff") != std::string::npos) return "tif";
    return {};
}

void check_size(const Photo& photo, int width, int height) {
    if (width < minimum_side || height < minimum_side) {
        throw Error(photo.path.string(), "is " + size_text(width, height) +
                                             " pixels; the smallest is " +
                                             size_text(minimum_side, minimum_side));
    }
    if (std::int64_t{width} * height > maximum_pixels) {
        throw Error(photo.path.string(), "is " + size_text(width, height) +
                                             " pixels; more than 268 megapixels do not fit "
                                             "in memory within reason: make it smaller first");
    }
}

// An animation edited by its first frame alone would lose the others without a word.
void check_still(const Photo& photo, VipsImage* image) {
    const bool moves = photo.extension == "png"
                           ? is_animated_png(photo.bytes)
                           : photo.extension == "webp" && vips_image_get_n_pages(image) > 1;
    if (moves) {
        throw Error(photo.path.string(), "is an animation; give a single picture");
    }
}

VipsHandle on(Backdrop backdrop, const Photo& photo, VipsHandle image) {
    VipsImage* out = nullptr;
    const double level = backdrop == Backdrop::white ? 255 : 0;
    const double colour[] = {level, level, level};
    VipsArrayDouble* background = vips_array_double_new(colour, 3);
    const int status = vips_flatten(image.get(), &out, "background", background, nullptr);
    vips_area_unref(VIPS_AREA(background));
    return checked(photo, status, out);
}

// Row strips, so that the decoded photo is in memory once and not twice.
Pixels copy_pixels(const Photo& photo, VipsHandle image) {
    VipsImage* bytes = nullptr;
    const int status = vips_cast_uchar(image.get(), &bytes, nullptr);
    image = checked(photo, status, bytes);
    Pixels pixels{image->Xsize, image->Ysize, {}};
    const std::size_t row = std::size_t(pixels.width) * 3;
    pixels.rgb.resize(row * pixels.height);
    const std::unique_ptr<VipsRegion, void (*)(gpointer)> region(vips_region_new(image.get()),
                                                                 g_object_unref);
    for (int top = 0; top < pixels.height; top += 64) {
        const VipsRect strip{0, top, pixels.width, std::min(64, pixels.height - top)};
        if (vips_region_prepare(region.get(), &strip) != 0) refuse_damaged(photo);
        for (int y = top; y < top + strip.height; ++y) {
            std::memcpy(&pixels.rgb[y * row], VIPS_REGION_ADDR(region.get(), 0, y), row);
        }
    }
    return pixels;
}

}  // namespace

std::string lower_extension(const std::filesystem::path& path) {
    std::string extension = path.extension().string();
    for (char& c : extension) c = static_cast<char>(g_ascii_tolower(c));
    return extension;
}

bool has_photo_extension(const std::filesystem::path& path) {
    static constexpr std::array known = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"};
    return std::ranges::find(known, lower_extension(path)) != known.end();
}

Photo read_photo_file(const std::filesystem::path& path) {
    start_vips();
    if (type_at(path) == std::filesystem::file_type::directory)
        throw Error(path.string(), "is a folder, not a photo");
    Photo photo;
    photo.path = path;
    photo.bytes = read_file(path);
    if (photo.bytes.empty()) throw Error(path.string(), "is an empty file; try another copy");
    if (is_raw_file(photo.bytes)) {
        throw Error(path.string(),
                    "is a camera's raw file; what can be seen in it is a small preview. Develop it "
                    "(in darktable, RawTherapee, Lightroom, ...) and give the TIFF, PNG or JPEG");
    }
    photo.extension = extension_of(photo.bytes);
    if (photo.extension.empty()) {
        throw Error(path.string(), "is not an image that can be read (JPEG, PNG, WebP or TIFF)");
    }
    if (photo.extension == "tif" && is_preview_first(photo.bytes)) {
        throw Error(path.string(),
                    "begins with a small copy of the picture: save it as a TIFF of one page first");
    }
    return photo;
}

Photo load_photo(const std::filesystem::path& path, Backdrop backdrop) {
    Photo photo = read_photo_file(path);
    {
        const VipsHandle header = open_image(photo);
        check_size(photo, header->Xsize, header->Ysize);
        check_still(photo, header.get());
        photo.bits = static_cast<int>(8 * vips_format_sizeof(header->BandFmt));
        photo.orientation = orientation_of(photo, header.get());
    }
    VipsHandle image = decode_upright(photo);
    photo.has_profile = has_profile(image);
    photo.has_alpha = vips_image_hasalpha(image.get());
    image = to_srgb(photo, std::move(image), 8);
    if (vips_image_hasalpha(image.get())) image = on(backdrop, photo, std::move(image));
    if (image->Bands != 3) {
        throw Error(path.string(),
                    "has " + std::to_string(image->Bands) + " colour channels, not three");
    }
    photo.pixels = copy_pixels(photo, std::move(image));
    return photo;
}

Size fitted(const Size& size, int longest) {
    const int longer = std::max(size.width, size.height);
    if (longer <= longest) return size;
    const auto scaled = [&](int side) {
        return std::max(1, static_cast<int>(std::lround(double(side) * longest / longer)));
    };
    return {scaled(size.width), scaled(size.height)};
}

Crop centred_square(const Photo& photo) {
    return centred_square(photo.pixels);
}

Crop whole_crop(const Photo& photo) {
    const int width = photo.pixels.width, height = photo.pixels.height;
    const auto longest = [](int shorter) { return static_cast<int>(longest_shape * shorter); };
    Crop crop{0, 0, std::min(width, longest(height)), std::min(height, longest(width))};
    crop.x = (width - crop.width) / 2;
    crop.y = (height - crop.height) / 2;
    return crop;
}

void check_crop(const Photo& photo, const Crop& crop) {
    const std::string what = "crop " + std::to_string(crop.x) + "," + std::to_string(crop.y) + "," +
                             std::to_string(crop.width) + "," + std::to_string(crop.height);
    if (crop.width < minimum_side || crop.height < minimum_side) {
        throw Error(what, "is smaller than " + size_text(minimum_side, minimum_side) + " pixels");
    }
    if (std::max(crop.width, crop.height) >
        longest_shape * static_cast<double>(std::min(crop.width, crop.height))) {
        throw Error(what,
                    "is more than twice as long as wide; the model works on parts that are "
                    "nearer to a square");
    }
    // Differences, not sums: the numbers come from a person and may be anything.
    if (crop.x < 0 || crop.y < 0 || crop.width > photo.pixels.width ||
        crop.height > photo.pixels.height || crop.x > photo.pixels.width - crop.width ||
        crop.y > photo.pixels.height - crop.height) {
        throw Error(what, "reaches outside the photo, which is " +
                              size_text(photo.pixels.width, photo.pixels.height));
    }
}

Size working_size(const Crop& crop, int side) {
    if (crop.width == crop.height) return {side, side};
    constexpr int unit = 8;
    const double aspect = double(crop.width) / crop.height;
    const double width = side * std::sqrt(aspect), height = side / std::sqrt(aspect);
    Size best;
    double least = 0;
    for (const double across : {std::floor(width / unit), std::ceil(width / unit)}) {
        for (const double down : {std::floor(height / unit), std::ceil(height / unit)}) {
            const Size size{unit * std::max(1, static_cast<int>(across)),
                            unit * std::max(1, static_cast<int>(down))};
            const double shape = double(size.width) / size.height / aspect;
            const double area = double(size.width) * size.height / (double(side) * side);
            const double off = std::abs(std::log(shape)) + std::abs(std::log(area));
            if (best.width > 0 && off >= least) continue;
            best = size;
            least = off;
        }
    }
    return best;
}

Pixels working_area(const Photo& photo, const Crop& crop, const Size& size) {
    check_crop(photo, crop);
    return resize(cut_out(photo.pixels, crop), size.width, size.height);
}

}  // namespace keepsake::editor
