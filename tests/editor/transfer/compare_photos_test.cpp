// What an export changes and what it leaves, told by compare_photos; the files are made and changed
// by libvips and exiftool.
#include "editor/transfer/compare_photos.h"

#include <gtest/gtest.h>

#include "editor/photo/icc_profile.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/error.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using testing::daisy_pixels;
using testing::red_edit;
using testing::save_photo;
using testing::set_tags;

std::string fate_of(const PhotoComparison& result, const std::string& name) {
    for (const FieldComparison& field : result.fields) {
        if (field.name == name) return name_of(field.fate);
    }
    return "absent";
}

class ComparePhotos : public ::testing::Test {
  protected:
    ComparePhotos() { save_photo(png, daisy_pixels(96, 64)); }
    PhotoComparison compared(const fs::path& b, const CompareOptions& options = {}) const {
        return compare_photos(load_photo(png), load_photo(b), options);
    }
    // `pixels` with the sample at x, y, channel 1 changed by `by`.
    fs::path with_changed(Pixels pixels, int x, int y, int by) const {
        pixels.rgb[(std::size_t(y) * pixels.width + x) * 3 + 1] += static_cast<std::uint8_t>(by);
        save_photo(folder.path / "changed.png", pixels);
        return folder.path / "changed.png";
    }
    const testing::TemporaryFolder folder;
    const fs::path png = folder.path / "photo.png";
};

TEST_F(ComparePhotos, TheSameFile) {
    const PhotoComparison result = compared(png);
    EXPECT_TRUE(result.outside_untouched());
    EXPECT_EQ(result.outside->pixels, 96 * 64);
    EXPECT_FALSE(result.inside);
    EXPECT_TRUE(result.as_stored && result.same_profile);
    EXPECT_EQ(result.count(FieldFate::kept), std::int64_t(result.fields.size()));
}

TEST_F(ComparePhotos, OneSampleThatDiffersByOne) {
    Pixels pixels = load_photo(png).pixels;
    pixels.rgb[(10 * 96 + 20) * 3 + 1] = 100;
    save_photo(png, pixels);
    const fs::path changed = with_changed(pixels, 20, 10, 1);
    const PhotoComparison result = compared(changed);
    EXPECT_FALSE(result.outside_untouched());
    EXPECT_EQ(result.outside->differing, 1);
    EXPECT_EQ(result.outside->largest, 1);
    CompareOptions tolerant;
    tolerant.tolerance = 1;
    EXPECT_TRUE(compared(changed, tolerant).outside_untouched());
    EXPECT_EQ(compared(changed, tolerant).outside->largest, 1);
}

// A mask of the whole photo: a change on the border's white side is inside, one pixel on it is not.
TEST_F(ComparePhotos, MaskOfTheWholePhoto) {
    const Pixels pixels = load_photo(png).pixels;
    Mask mask{96, 64, std::vector<std::uint8_t>(96 * 64, 0)};
    for (int y = 0; y < 64; ++y) {
        for (int x = 0; x < 20; ++x) mask.values[y * 96 + x] = 255;
    }
    const CompareOptions options{EditRegion{mask}, Crop{0, 0, 96, 64}};
    const PhotoComparison inside = compared(with_changed(pixels, 19, 30, 1), options);
    EXPECT_TRUE(inside.outside_untouched());
    EXPECT_EQ(inside.inside->differing, 1);
    EXPECT_EQ(inside.inside->pixels, 20 * 64);
    EXPECT_EQ(inside.outside->pixels, 76 * 64);
    const PhotoComparison outside = compared(with_changed(pixels, 20, 30, 1), options);
    EXPECT_FALSE(outside.outside_untouched());
    EXPECT_EQ(outside.inside->differing, 0);
    CompareOptions wrong = options;
    wrong.crop.width = 97;
    EXPECT_THROW(compared(png, wrong), Error);
}

// Real exports: what the mask leaves out is untouched in the file, what it lets in is not.
class ComparedExport : public ComparePhotos, public ::testing::WithParamInterface<const char*> {};

TEST_P(ComparedExport, OutsideIsUntouchedInsideIsNot) {
    const fs::path original = folder.path / (std::string("photo") + GetParam());
    save_photo(original, daisy_pixels(96, 64));
    const Photo photo = load_photo(original);
    const Crop crop = centred_square(photo);
    Mask mask{32, 32, std::vector<std::uint8_t>(32 * 32, 0)};
    for (int i = 0; i < 16 * 32; ++i) mask.values[i] = 255;
    const EditRegion region{mask};
    const fs::path out = folder.path / (std::string("out") + GetParam());
    export_photo(out, photo, red_edit(photo.pixels, crop, 32), region);
    const PhotoComparison result = compare_photos(photo, load_photo(out), {region, crop});
    EXPECT_TRUE(result.outside_untouched());
    EXPECT_EQ(result.outside->largest, 0);
    EXPECT_GT(result.inside->differing, 200);
    EXPECT_GT(result.inside->largest, 50);
    EXPECT_EQ(result.inside->pixels + result.outside->pixels, 96 * 64);
    // The same, without the mask: it has changed.
    EXPECT_FALSE(compare_photos(photo, load_photo(out)).outside_untouched());
}

INSTANTIATE_TEST_SUITE_P(Formats, ComparedExport, ::testing::Values(".png", ".tif", ".webp"),
                         [](const auto& info) { return std::string(info.param).substr(1); });

TEST_F(ComparePhotos, FieldsKeptChangedLostAndAdded) {
    const fs::path jpg = folder.path / "a.jpg", other = folder.path / "b.jpg";
    save_photo(jpg, daisy_pixels(96, 64));
    set_tags(jpg,
             "-EXIF:Make=Canon -EXIF:FNumber=2.8 -EXIF:Artist=Zo -GPS:GPSLatitude=48.5 "
             "-XMP:Title=Daisy -IPTC:Keywords=flower -IPTC:City=Rome");
    fs::copy_file(jpg, other);
    set_tags(other, "-EXIF:Make=Nikon -EXIF:Artist= -XMP:Rating=3 -IPTC:City=");
    const PhotoComparison result = compare_photos(load_photo(jpg), load_photo(other));
    EXPECT_TRUE(result.outside_untouched());
    EXPECT_EQ(fate_of(result, "EXIF:Make"), "changed");
    EXPECT_EQ(fate_of(result, "EXIF:FNumber"), "kept");
    EXPECT_EQ(fate_of(result, "EXIF:Artist"), "lost");
    EXPECT_EQ(fate_of(result, "GPS:GPSLatitude"), "kept");
    EXPECT_EQ(fate_of(result, "XMP:dc:title[1]"), "kept");
    EXPECT_EQ(fate_of(result, "XMP:xmp:Rating"), "added");
    EXPECT_EQ(fate_of(result, "IPTC:2:25 Keywords"), "kept");
    EXPECT_EQ(fate_of(result, "IPTC:2:90 City"), "lost");
}

// The same metadata in another format: what is written in another byte order or another place is
// kept all the same.
TEST_F(ComparePhotos, FieldsKeptFromJpegToTiff) {
    const fs::path jpg = folder.path / "a.jpg", tif = folder.path / "b.tif";
    save_photo(jpg, daisy_pixels(96, 64));
    set_tags(jpg,
             "-EXIF:Make=Canon -EXIF:FNumber=2.8 -EXIF:ExposureCompensation=-2/3 -EXIF:ISO=400 "
             "-XMP:Title=Daisy -IPTC:Keywords=flower");
    const Photo photo = load_photo(jpg);
    export_photo(tif, photo, red_edit(photo.pixels, centred_square(photo), 32));
    const PhotoComparison result = compare_photos(photo, load_photo(tif));
    for (const char* name : {"EXIF:Make", "EXIF:FNumber", "EXIF:ExposureBiasValue",
                             "EXIF:ISOSpeedRatings", "XMP:dc:title[1]", "IPTC:2:25 Keywords"}) {
        EXPECT_EQ(fate_of(result, name), "kept") << name;
    }
    EXPECT_EQ(fate_of(result, "XMP:Iptc4xmpExt:DigitalSourceType"), "added");
}

TEST_F(ComparePhotos, SizeBitsAndProfile) {
    save_photo(folder.path / "small.png", daisy_pixels(48, 32));
    const PhotoComparison smaller = compared(folder.path / "small.png");
    EXPECT_FALSE(smaller.outside);
    EXPECT_FALSE(smaller.outside_untouched());
    EXPECT_EQ(smaller.b.width, 48);

    const fs::path deep = folder.path / "deep.png";
    testing::printed_by("convert " + testing::in_quotes(png) +
                        " -depth 16 -define png:bit-depth=16 " + testing::in_quotes(deep));
    const PhotoComparison deeper = compared(deep);
    EXPECT_EQ(deeper.a.bits, 8);
    EXPECT_EQ(deeper.b.bits, 16);
    EXPECT_FALSE(deeper.as_stored);
    EXPECT_TRUE(deeper.outside_untouched()) << deeper.outside->largest;

    const fs::path profiled = folder.path / "profiled.png";
    const Pixels pixels = load_photo(png).pixels;
    const VipsHandle image = testing::vips_copy_of(pixels);
    const std::string profile = adobe_rgb_profile();
    vips_image_set_blob_copy(image.get(), VIPS_META_ICC_NAME, profile.data(), profile.size());
    ASSERT_EQ(vips_image_write_to_file(image.get(), profiled.c_str(), nullptr), 0);
    const PhotoComparison other = compared(profiled);
    EXPECT_FALSE(other.same_profile);
    EXPECT_EQ(other.a.profile, "");
    EXPECT_FALSE(other.b.profile.empty());
    EXPECT_FALSE(other.as_stored);
    // The same numbers in another profile are other colours.
    EXPECT_FALSE(other.outside_untouched());
}

}  // namespace
}  // namespace keepsake::editor
