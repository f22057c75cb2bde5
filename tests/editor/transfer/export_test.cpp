// The export is still the user's own photo. Read back by exiftool and ImageMagick.
#include "editor/transfer/export_photo.h"

#include <gtest/gtest.h>

#include "editor/photo/image_file.h"
#include "pipeline/error.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using testing::daisy_pixels;
using testing::exif_tag;
using testing::identified;
using testing::in_quotes;
using testing::pixel_hash;
using testing::printed_by;
using testing::red_edit;
using testing::save_photo;
using testing::set_tags;
using testing::thrown_message;

AreaEdit edit_of(const Photo& photo) {
    return red_edit(photo.pixels, centred_square(photo), 64);
}

AreaEdit nothing_of(const Photo& photo) {
    AreaEdit edit = edit_of(photo);
    edit.edit = edit.reconstruction;
    return edit;
}

// Exports `photo` with the red edit beside it and returns the file.
fs::path exported(const fs::path& photo, const ExportOptions& options = {}) {
    const Photo loaded = load_photo(photo);
    const fs::path out = photo.parent_path() / ("out" + export_extension(loaded));
    export_photo(out, loaded, edit_of(loaded), {}, options);
    return out;
}

class Export : public ::testing::Test {
  protected:
    const testing::TemporaryFolder folder;
};

class Formats : public ::testing::TestWithParam<std::string> {
  protected:
    Formats() { save_photo(photo, daisy_pixels(240, 160)); }
    const testing::TemporaryFolder folder;
    const fs::path photo = folder.path / ("photo" + GetParam());
};

TEST_P(Formats, MetadataIsCarriedOver) {
    set_tags(photo,
             "-EXIF:Make=Canon -EXIF:Model='EOS 5D' -EXIF:DateTimeOriginal='2020:01:02 03:04:05' "
             "-EXIF:Artist='Zo\u00eb' -EXIF:FNumber=2.8 -EXIF:GPSLatitude=48.5 "
             "-EXIF:GPSLatitudeRef=N -XMP-dc:Title='A <daisy> & more' -XMP-exif:GPSLatitude=48.5 "
             "-XMP-tiff:Orientation#=6 -IFD0:Orientation#=6");
    const fs::path out = exported(photo, {.recipe = R"({"edit":{"prompt":"a < b & c"}})"});
    EXPECT_EQ(exif_tag(out, "EXIF:Make"), "Canon");
    EXPECT_EQ(exif_tag(out, "EXIF:Model"), "EOS 5D");
    EXPECT_EQ(exif_tag(out, "EXIF:DateTimeOriginal"), "2020:01:02 03:04:05");
    EXPECT_EQ(exif_tag(out, "EXIF:Artist"), "Zo\u00eb");
    EXPECT_EQ(exif_tag(out, "EXIF:FNumber"), "2.8");
    EXPECT_EQ(exif_tag(out, "EXIF:GPSLatitude"), "48.5");
    EXPECT_EQ(exif_tag(out, "EXIF:Software").find("Keepsake "), 0u);
    EXPECT_EQ(exif_tag(out, "ExifIFD:ExifImageWidth"), "160");
    EXPECT_EQ(exif_tag(out, "XMP-dc:Title"), "A <daisy> & more");
    EXPECT_EQ(exif_tag(out, "XMP-exif:GPSLatitude"), "48.5");
    // Upright in the pixels, and said so.
    EXPECT_EQ(exif_tag(out, "IFD0:Orientation"), "1");
    EXPECT_EQ(exif_tag(out, "XMP-tiff:Orientation"), "1");
    EXPECT_EQ(identified(out, "%wx%h"), "160x240");
    EXPECT_EQ(read_image_recipe(out), R"({"edit":{"prompt":"a < b & c"}})");
    EXPECT_EQ(exif_tag(out, "XMP-keepsake:Recipe"), R"({"edit":{"prompt":"a < b & c"}})");
}

TEST_P(Formats, GpsIsStrippedWhereAskedFor) {
    set_tags(photo,
             "-EXIF:Make=Canon -EXIF:GPSLatitude=48.5 -EXIF:GPSLatitudeRef=N "
             "-EXIF:GPSLongitude=11 -EXIF:GPSLongitudeRef=E -XMP-exif:GPSLatitude=48.5 "
             "-XMP-exif:GPSLongitude=11.5 -XMP-dc:Title=Daisy");
    ASSERT_NE(exif_tag(photo, "GPS*"), "");
    const fs::path out = exported(photo, {.strip_gps = true});
    EXPECT_EQ(exif_tag(out, "GPS*"), "");
    EXPECT_EQ(exif_tag(out, "XMP:all").find("48.5"), std::string::npos);
    EXPECT_EQ(exif_tag(out, "XMP-dc:Title"), "Daisy");
}

TEST_P(Formats, TheProfileIsKeptByteForByteAndTheColoursMeanTheSame) {
    VipsImage* made = nullptr;
    const VipsHandle source = testing::vips_copy_of(daisy_pixels(240, 160));
    ASSERT_EQ(vips_icc_transform(source.get(), &made, "p3", "input_profile", "srgb", nullptr), 0);
    const std::string name = photo.string() + (GetParam() == ".webp" ? "[lossless]" : "");
    ASSERT_EQ(vips_image_write_to_file(made, name.c_str(), nullptr), 0);
    g_object_unref(made);
    const fs::path out = exported(photo);
    const auto profile = [](const fs::path& path) {
        return printed_by("exiftool -b -icc_profile " + in_quotes(path) + " | sha256sum");
    };
    ASSERT_NE(profile(photo), printed_by("sha256sum < /dev/null"));
    EXPECT_EQ(profile(out), profile(photo));
    // The same edit of the same picture without a profile looks the same.
    const Pixels in_p3 = load_photo(out).pixels;
    const Photo plain_photo = load_photo(photo);
    const Pixels plain = full_resolution(plain_photo.pixels, edit_of(plain_photo));
    double sum = 0;
    for (std::size_t i = 0; i < plain.rgb.size(); ++i) {
        sum += std::abs(int(plain.rgb[i]) - int(in_p3.rgb[i]));
    }
    EXPECT_LT(sum / double(plain.rgb.size()), 3.0);
}

TEST_P(Formats, NoEditWritesTheSamePixels) {
    const Photo loaded = load_photo(photo);
    EXPECT_EQ(export_extension(loaded), GetParam());
    // Lossless on the way out: what is compared is what was handed to the encoder.
    const fs::path out = folder.path / "out.png";
    export_photo(out, loaded, nothing_of(loaded));
    EXPECT_EQ(load_photo(out).pixels.rgb, loaded.pixels.rgb);
    if (GetParam() != ".jpg") {  // of which decoders differ by a step
        EXPECT_EQ(pixel_hash(out), pixel_hash(photo));
        const fs::path same = folder.path / ("same" + GetParam());
        export_photo(same, loaded, nothing_of(loaded));
        EXPECT_EQ(pixel_hash(same), pixel_hash(photo));
    }
}

INSTANTIATE_TEST_SUITE_P(Export, Formats, ::testing::Values(".jpg", ".png", ".webp", ".tif"),
                         [](const auto& info) { return info.param.substr(1); });

TEST_F(Export, IptcIsCarriedOver) {
    const fs::path photo = folder.path / "photo.jpg";
    save_photo(photo, daisy_pixels(200, 200));
    set_tags(photo, "-IPTC:City=Berlin -IPTC:Keywords=daisy -IPTC:Keywords=white");
    const fs::path out = exported(photo);
    EXPECT_EQ(exif_tag(out, "IPTC:City"), "Berlin");
    EXPECT_EQ(exif_tag(out, "IPTC:Keywords"), "daisy, white");
}

TEST_F(Export, TheThumbnailOfThePhotoBeforeIsDropped) {
    const fs::path photo = folder.path / "photo.jpg", small = folder.path / "small.jpg";
    save_photo(photo, daisy_pixels(200, 200));
    save_photo(small, daisy_pixels(40, 40));
    set_tags(photo, "-EXIF:Make=Canon '-ThumbnailImage<=" + small.string() + "'");
    ASSERT_NE(exif_tag(photo, "IFD1:ThumbnailLength"), "");
    const fs::path out = exported(photo);
    EXPECT_EQ(exif_tag(out, "ThumbnailImage"), "");
    EXPECT_EQ(exif_tag(out, "EXIF:Make"), "Canon");
}

TEST_F(Export, JpegIsCompressedLikeThePhoto) {
    for (const char* quality : {"55", "80", "93"}) {
        for (const char* mode : {"on", "off"}) {
            SCOPED_TRACE(std::string(quality) + " " + mode);
            const fs::path photo = folder.path / "photo.jpg";
            const VipsHandle image = testing::vips_copy_of(daisy_pixels(200, 200));
            const std::string name =
                photo.string() + "[Q=" + quality + ",subsample-mode=" + mode + "]";
            ASSERT_EQ(vips_image_write_to_file(image.get(), name.c_str(), nullptr), 0);
            const fs::path out = exported(photo);
            EXPECT_EQ(identified(out, "%Q"), quality);
            EXPECT_EQ(identified(out, "%[jpeg:sampling-factor]"),
                      identified(photo, "%[jpeg:sampling-factor]"));
            EXPECT_EQ(identified(exported(photo, {.quality = 70}), "%Q"), "70");
        }
    }
}

TEST_F(Export, SixteenBitsStaySixteen) {
    for (const char* extension : {".png", ".tif"}) {
        SCOPED_TRACE(extension);
        const fs::path photo = folder.path / (std::string("deep") + extension);
        VipsImage *wide = nullptr, *noisy = nullptr;
        const VipsHandle source = testing::vips_copy_of(daisy_pixels(200, 120));
        ASSERT_EQ(vips_colourspace(source.get(), &wide, VIPS_INTERPRETATION_RGB16, nullptr), 0);
        // Values that no 8-bit sample has.
        ASSERT_EQ(vips_linear1(wide, &noisy, 0.9, 37, nullptr), 0);
        g_object_unref(wide);
        ASSERT_EQ(vips_cast(noisy, &wide, VIPS_FORMAT_USHORT, nullptr), 0);
        g_object_unref(noisy);
        ASSERT_EQ(vips_image_write_to_file(wide, photo.c_str(), nullptr), 0);
        g_object_unref(wide);
        ASSERT_EQ(identified(photo, "%z"), "16");

        const Photo loaded = load_photo(photo);
        const fs::path same = folder.path / (std::string("same") + extension);
        export_photo(same, loaded, nothing_of(loaded));
        EXPECT_EQ(identified(same, "%z"), "16");
        EXPECT_EQ(pixel_hash(same), pixel_hash(photo));
        const fs::path out = exported(photo);
        EXPECT_EQ(identified(out, "%z"), "16");
        EXPECT_NE(pixel_hash(out), pixel_hash(photo));
        // Left of the square, 40 columns, the samples are the photo's.
        const auto left = [](const fs::path& path) {
            return printed_by("convert " + in_quotes(path) +
                              " -crop 40x120+0+0 +repage -depth 16 rgb:- | sha256sum");
        };
        EXPECT_EQ(left(out), left(photo));
        // A JPEG of it is an ordinary one.
        export_photo(folder.path / "deep.jpg", loaded, edit_of(loaded));
        EXPECT_EQ(identified(folder.path / "deep.jpg", "%z"), "8");
    }
}

TEST_F(Export, TransparencyIsKept) {
    for (const char* extension : {".png", ".tif", ".webp"}) {
        SCOPED_TRACE(extension);
        const fs::path photo = folder.path / (std::string("clear") + extension);
        printed_by("convert " + in_quotes(testing::daisy) +
                   " -alpha set -channel A -fx 'i/w' +channel -define webp:lossless=true "
                   "-define webp:exact=true " +
                   in_quotes(photo));
        const Photo loaded = load_photo(photo);
        ASSERT_TRUE(loaded.has_alpha);
        const fs::path out = exported(photo);
        const auto alpha = [](const fs::path& path) {
            return printed_by("convert " + in_quotes(path) +
                              " -alpha extract -depth 8 gray:- | sha256sum");
        };
        EXPECT_EQ(alpha(out), alpha(photo));
        EXPECT_NE(pixel_hash(out), pixel_hash(photo));
    }
}

TEST_F(Export, GreyBecomesColourOnlyWhenTheEditIs) {
    const fs::path photo = folder.path / "grey.png";
    printed_by("convert " + in_quotes(testing::daisy) + " -colorspace Gray " + in_quotes(photo));
    const Photo loaded = load_photo(photo);
    export_photo(folder.path / "same.png", loaded, nothing_of(loaded));
    EXPECT_EQ(pixel_hash(folder.path / "same.png"), pixel_hash(photo));
    const fs::path out = exported(photo);
    EXPECT_EQ(identified(out, "%[channels]").substr(0, 4), "srgb");
    const double red = std::stod(identified(out, "%[fx:mean.r]"));
    EXPECT_GT(red, std::stod(identified(out, "%[fx:mean.b]")) + 0.05);
}

TEST_F(Export, CmykBecomesSrgb) {
    const fs::path photo = folder.path / "print.jpg";
    VipsImage* made = nullptr;
    const VipsHandle source = testing::vips_copy_of(daisy_pixels(200, 200));
    ASSERT_EQ(vips_icc_transform(source.get(), &made, "cmyk", "input_profile", "srgb", nullptr), 0);
    ASSERT_EQ(vips_jpegsave(made, photo.c_str(), "Q", 95, nullptr), 0);
    g_object_unref(made);
    ASSERT_EQ(identified(photo, "%[colorspace]"), "CMYK");
    const fs::path out = exported(photo);
    EXPECT_EQ(identified(out, "%[colorspace]"), "sRGB");
    const Photo loaded = load_photo(photo);
    const Pixels expected = full_resolution(loaded.pixels, edit_of(loaded));
    const Pixels found = load_photo(out).pixels;
    double sum = 0;
    for (std::size_t i = 0; i < found.rgb.size(); ++i) {
        sum += std::abs(int(found.rgb[i]) - int(expected.rgb[i]));
    }
    EXPECT_LT(sum / double(found.rgb.size()), 4.0);
}

TEST_F(Export, AnimationsAreRefused) {
    printed_by("convert -size 64x64 xc:red xc:blue -loop 0 " + in_quotes(folder.path / "two.webp"));
    printed_by("convert -size 64x64 xc:red xc:blue -loop 0 " + in_quotes(folder.path / "two.gif"));
    const auto message = [&](const char* name) {
        return thrown_message<Error>([&] { load_photo(folder.path / name); });
    };
    EXPECT_NE(message("two.webp").find("two.webp: is an animation"), std::string::npos);
    EXPECT_NE(message("two.gif").find("two.gif: is not an image that can be read"),
              std::string::npos);
}

// A block of EXIF or a profile with every bit of it possibly wrong.
TEST_F(Export, CorruptExifAndProfilesDoNoHarm) {
    const fs::path photo = folder.path / "photo.jpg";
    save_photo(photo, daisy_pixels(96, 96));
    set_tags(photo, "-EXIF:Make=Canon -EXIF:GPSLatitude=48.5 -EXIF:GPSLatitudeRef=N");
    VipsImage* made = nullptr;
    const VipsHandle source(vips_image_new_from_file(photo.c_str(), nullptr));
    ASSERT_EQ(vips_icc_transform(source.get(), &made, "p3", "input_profile", "srgb", nullptr), 0);
    ASSERT_EQ(vips_jpegsave(made, (folder.path / "p3.jpg").c_str(), nullptr), 0);
    g_object_unref(made);
    const std::string good = read_file(folder.path / "p3.jpg");
    const std::size_t picture = good.find("\xff\xda");
    ASSERT_GT(picture, 500u);
    std::uint32_t random = 1;
    for (int round = 0; round < 60; ++round) {
        std::string bad = good;
        for (int i = 0; i < 12; ++i) {
            random = random * 1664525u + 1013904223u;
            // Within the blocks of EXIF and ICC, before the picture's own tables and header.
            const std::size_t at = 40 + random % (picture - 700);
            bad[at] = static_cast<char>(random >> 24);
        }
        testing::write_bytes(photo, bad);
        try {
            const Photo loaded = load_photo(photo);
            const fs::path out = folder.path / "out.jpg";
            export_photo(out, loaded, edit_of(loaded));
            // ImageMagick may warn of what is left of the blocks; it has to read the picture.
            const std::string size =
                printed_by("identify -quiet -format '%wx%h' " + in_quotes(out) + " || true");
            EXPECT_EQ(size, std::to_string(loaded.pixels.width) + "x" +
                                std::to_string(loaded.pixels.height));
        } catch (const Error& error) {
            EXPECT_EQ(std::string(error.what()).find(photo.string()), 0u) << error.what();
        }
    }
    // A profile that is nothing but noise: the colours as they are.
    testing::write_bytes(folder.path / "noise.icc", std::string(600, '\x5a'));
    save_photo(folder.path / "plain.png", daisy_pixels(96, 96));
    VipsImage* plain = vips_image_new_from_file((folder.path / "plain.png").c_str(), nullptr);
    vips_image_set_blob_copy(plain, VIPS_META_ICC_NAME, std::string(600, 'Z').data(), 600);
    ASSERT_EQ(vips_tiffsave(plain, (folder.path / "noise.tif").c_str(), nullptr), 0);
    g_object_unref(plain);
    const Photo noise = load_photo(folder.path / "noise.tif");
    EXPECT_EQ(noise.pixels.rgb, daisy_pixels(96, 96).rgb);
    EXPECT_EQ(identified(exported(folder.path / "noise.tif"), "%wx%h"), "96x96");
}

TEST_F(Export, RefusesOtherFormatsAndPlaces) {
    save_photo(folder.path / "a.png", daisy_pixels(64, 64));
    const Photo photo = load_photo(folder.path / "a.png");
    const auto message = [&](const fs::path& path) {
        return thrown_message<Error>([&] { export_photo(path, photo, edit_of(photo)); });
    };
    EXPECT_NE(message(folder.path / "a.bmp").find("a.bmp: is no photo file name"),
              std::string::npos);
    EXPECT_NE(message(folder.path / "none" / "a.png").find("a.png: "), std::string::npos);
    EXPECT_TRUE(has_photo_extension("A.TIFF"));
    EXPECT_FALSE(has_photo_extension("a.gif"));
}

TEST_F(Export, MaskFilesCoverThePhotoOrTheSquare) {
    save_photo(folder.path / "a.png", daisy_pixels(96, 64));
    const Photo photo = load_photo(folder.path / "a.png");
    const Crop crop{16, 0, 64, 64};
    Pixels white{96, 64, std::vector<std::uint8_t>(96 * 64 * 3, 0)};
    for (int y = 0; y < 64; ++y) std::fill_n(&white.rgb[(y * 96 + 16) * 3], 32 * 3, 255);
    save_photo(folder.path / "whole.png", white);
    const Mask whole = load_mask(folder.path / "whole.png", photo, crop);
    EXPECT_EQ(whole.width, 64);
    EXPECT_EQ(whole.values[0], 255);
    EXPECT_EQ(whole.values[31], 255);
    EXPECT_EQ(whole.values[32], 0);
    save_photo(folder.path / "square.png", testing::quarters(20, 20));
    EXPECT_EQ(load_mask(folder.path / "square.png", photo, crop).width, 20);
    save_photo(folder.path / "other.png", testing::quarters(50, 20));
    EXPECT_NE(thrown_message<Error>([&] { load_mask(folder.path / "other.png", photo, crop); })
                  .find("other.png: is 50x20; a mask has the photo's size, 96x64, or the shape of "
                        "what is edited, 64x64"),
              std::string::npos);
    // Of a rectangle, but for the rounding of its sides.
    save_photo(folder.path / "half.png", testing::quarters(32, 43));
    EXPECT_EQ(load_mask(folder.path / "half.png", photo, {0, 0, 48, 64}).height, 43);
}

}  // namespace
}  // namespace keepsake::editor
