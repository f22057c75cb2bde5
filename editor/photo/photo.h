// The photo that is edited, as loaded.
#pragma once

#include <filesystem>
#include <string>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

// Everything is of the photo as it is looked at: after its EXIF orientation has been applied.
struct Photo {
    std::filesystem::path path;
    std::string bytes;  // the file as given: metadata, profile and 16-bit samples are still in it
    std::string extension;  // by content: "jpg", "png", "webp", "tif"
    Pixels pixels;          // converted to sRGB by the embedded profile
    bool has_alpha = false;
    bool has_profile = false;
    int bits = 8;         // a sample, in the file
    int orientation = 1;  // EXIF's, 1 to 8, that was applied
};

// A rectangle of the photo's pixels.
struct Crop {
    int x = 0;
    int y = 0;
    int width = 0;
    int height = 0;
    bool operator==(const Crop&) const = default;
};

// In pixels.
struct Size {
    int width = 0;
    int height = 0;
    bool operator==(const Size&) const = default;
};

// path, bytes and extension of a file that load_photo would look into; throws what it throws so
// far.
Photo read_photo_file(const std::filesystem::path& path);

// What transparency lies on.
enum class Backdrop { white, black };

// JPEG, PNG, WebP or TIFF (the first page). Throws Error naming the path when there is no such
// file, when it is none of these, a camera's raw file, damaged or truncated, smaller than 16 pixels
// a side, or larger than 268 megapixels (which would need more than 800 MB as 8-bit pixels).
Photo load_photo(const std::filesystem::path& path, Backdrop backdrop = Backdrop::white);

// Of the same shape, its longer side at most so long, no side 0.
Size fitted(const Size& size, int longest);

// The name's extension in lower case, with its dot.
std::string lower_extension(const std::filesystem::path& path);

// Whether a name ends as those of the pictures that Keepsake reads and writes do: .jpg, .jpeg,
// .png, .webp, .tif, .tiff.
bool has_photo_extension(const std::filesystem::path& path);

// The longer side of a crop is at most so many times its shorter one: what the model works on has
// its shape and as many pixels as its own square, and would become too thin to hold a thing.
inline constexpr double longest_shape = 2;

// The largest centred part of that shape: the whole photo unless it is a panorama.
Crop whole_crop(const Photo& photo);

// The largest centred square.
Crop centred_square(const Photo& photo);

// Throws Error naming the crop when it is smaller than 16 pixels, longer than longest_shape or
// leaves the photo.
void check_crop(const Photo& photo, const Crop& crop);

// What the model works on: of `crop`'s shape as nearly as sides in multiples of 8 pixels (those of
// a latent of Stable Diffusion's) allow, and about as large as a square of `side`, which is a
// multiple of 8 itself. A square crop gives exactly that.
Size working_size(const Crop& crop, int side);

// The pixels of `crop`, resampled to `size`.
Pixels working_area(const Photo& photo, const Crop& crop, const Size& size);

}  // namespace keepsake::editor
