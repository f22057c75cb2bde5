// Metadata from every format into every other. Read back by exiftool and ImageMagick.
#include <gtest/gtest.h>

#include <tuple>

#include "editor/photo/exif_entries.h"
#include "editor/photo/iptc_block.h"
#include "editor/photo/tiff_metadata.h"
#include "editor/transfer/export_photo.h"
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

// The photo with the red edit as `name` beside it.
fs::path exported(const fs::path& photo, const std::string& name,
                  const ExportOptions& options = {}) {
    const Photo loaded = load_photo(photo);
    const fs::path out = photo.parent_path() / name;
    export_photo(out, loaded, red_edit(loaded.pixels, centred_square(loaded), 32), {}, options);
    return out;
}

class BetweenFormats : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
  protected:
    BetweenFormats() { save_photo(photo, daisy_pixels(96, 64)); }
    const testing::TemporaryFolder folder;
    const fs::path photo = folder.path / ("photo" + std::get<0>(GetParam()));
    const std::string name = "out" + std::get<1>(GetParam());
};

// Every kind of value: text, fractions with and without sign, numbers, bytes, lists.
constexpr const char* tags =
    "-EXIF:Make=Canon -EXIF:Model='EOS 5D' -EXIF:Artist='Zo\u00eb' -EXIF:Copyright='me' "
    "-EXIF:ImageDescription='a daisy' -EXIF:FNumber=2.8 -EXIF:ExposureTime=1/250 "
    "-EXIF:ExposureCompensation=-2/3 -EXIF:FocalLength=50 -EXIF:ISO=400 -EXIF:Flash#=16 "
    "-EXIF:DateTimeOriginal='2020:01:02 03:04:05' -EXIF:SubSecTimeOriginal=07 "
    "-EXIF:OffsetTimeOriginal=+02:00 -EXIF:LensModel='EF50mm f/1.8' "
    "-EXIF:LensInfo='24 70 2.8 4' -EXIF:UserComment='hello' -EXIF:SubjectArea='10 20 30 40' "
    "-EXIF:ComponentsConfiguration='1 2 3 0' -EXIF:GPSLatitude=48.51234567 "
    "-EXIF:GPSLatitudeRef=N -EXIF:GPSLongitude=11.25 -EXIF:GPSLongitudeRef=W "
    "-EXIF:GPSAltitude=520.5 -EXIF:GPSAltitudeRef#=0 -EXIF:GPSDateStamp=2020:01:02 "
    "-EXIF:GPSTimeStamp=01:02:03.5 -EXIF:GPSProcessingMethod=GPS -EXIF:GPSImgDirection=123.25";

// Those tags as exiftool reads them, a line each; "-" would be one that is missing.
std::string kept_tags(const fs::path& path) {
    return printed_by(
        "exiftool -n -f -s -IFD0:Make -IFD0:Model -IFD0:Artist -IFD0:Copyright "
        "-IFD0:ImageDescription -ExifIFD:FNumber -ExifIFD:ExposureTime "
        "-ExifIFD:ExposureCompensation -ExifIFD:FocalLength -ExifIFD:ISO -ExifIFD:Flash "
        "-ExifIFD:DateTimeOriginal -ExifIFD:SubSecTimeOriginal -ExifIFD:OffsetTimeOriginal "
        "-ExifIFD:LensModel -ExifIFD:LensInfo -ExifIFD:UserComment -ExifIFD:SubjectArea "
        "-ExifIFD:ComponentsConfiguration -GPS:GPSLatitude -GPS:GPSLatitudeRef "
        "-GPS:GPSLongitude -GPS:GPSLongitudeRef -GPS:GPSAltitude -GPS:GPSAltitudeRef "
        "-GPS:GPSDateStamp -GPS:GPSTimeStamp -GPS:GPSProcessingMethod -GPS:GPSImgDirection " +
        in_quotes(path));
}

TEST_P(BetweenFormats, ExifAndGpsAreCarriedOver) {
    set_tags(photo, tags);
    ASSERT_EQ(kept_tags(photo).find(": -\n"), std::string::npos);
    const fs::path out = exported(photo, name);
    EXPECT_EQ(kept_tags(out), kept_tags(photo));
    EXPECT_EQ(identified(out, "%wx%h"), "96x64");
    const fs::path stripped = exported(photo, "stripped" + name, {.strip_gps = true});
    EXPECT_EQ(exif_tag(stripped, "GPS:all -IFD0:Make"), "Canon");
}

INSTANTIATE_TEST_SUITE_P(Export, BetweenFormats,
                         ::testing::Combine(::testing::Values(".jpg", ".png", ".webp", ".tif"),
                                            ::testing::Values(".jpg", ".png", ".webp", ".tif")),
                         [](const auto& info) {
                             return std::get<0>(info.param).substr(1) + "To" +
                                    std::get<1>(info.param).substr(1);
                         });

class ExportMetadata : public ::testing::Test {
  protected:
    const testing::TemporaryFolder folder;
};

TEST_F(ExportMetadata, IptcIsCarriedBetweenJpegAndTiff) {
    for (const char* from : {".jpg", ".tif"}) {
        const fs::path photo = folder.path / (std::string("photo") + from);
        save_photo(photo, daisy_pixels(64, 64));
        set_tags(photo,
                 "-IPTC:City='K\u00f6ln' -IPTC:Keywords=daisy -IPTC:Keywords=white "
                 "-IPTC:CodedCharacterSet=UTF8");
        for (const char* to : {".jpg", ".tif"}) {
            SCOPED_TRACE(std::string(from) + " to " + to);
            const fs::path out = exported(photo, std::string("out") + to);
            EXPECT_EQ(exif_tag(out, "IPTC:City"), "K\u00f6ln");
            EXPECT_EQ(exif_tag(out, "IPTC:Keywords"), "daisy, white");
            EXPECT_EQ(exif_tag(out, "Warning"), "");
            EXPECT_EQ(identified(out, "%[IPTC:2:25]"), "daisy;white");
        }
    }
}

// The same where the file's numbers are big-endian, in 16 bits, and through two exports.
TEST_F(ExportMetadata, BigEndianSixteenBitTiff) {
    const fs::path photo = folder.path / "deep.tif";
    printed_by("convert " + in_quotes(testing::daisy) +
               " -resize 64x64! -depth 16 -define tiff:endian=msb " + in_quotes(photo));
    set_tags(photo, std::string(tags) + " -IPTC:City=Berlin");
    ASSERT_EQ(printed_by("head -c2 " + in_quotes(photo)), "MM");
    const fs::path out = exported(exported(photo, "once.tif"), "twice.tif");
    EXPECT_EQ(identified(out, "%z"), "16");
    EXPECT_EQ(exif_tag(out, "IPTC:City"), "Berlin");
    EXPECT_EQ(kept_tags(out), kept_tags(photo));
    EXPECT_EQ(exif_tag(out, "Warning"), "");
}

// The samples are not touched by what is added behind them.
TEST_F(ExportMetadata, TiffKeepsItsPixels) {
    const fs::path photo = folder.path / "photo.tif";
    save_photo(photo, daisy_pixels(300, 200));
    set_tags(photo, tags);
    const Photo loaded = load_photo(photo);
    AreaEdit nothing = red_edit(loaded.pixels, centred_square(loaded), 32);
    nothing.edit = nothing.reconstruction;
    export_photo(folder.path / "same.tif", loaded, nothing);
    EXPECT_EQ(pixel_hash(folder.path / "same.tif"), pixel_hash(photo));
}

// A JPEG with these bytes as EXIF.
void add_exif(const fs::path& path, const std::string& block) {
    const std::string bytes = read_file(path), content = "Exif" + std::string(2, '\0') + block;
    const std::size_t size = content.size() + 2;
    const std::string head{'\xff', '\xe1', char(size >> 8), char(size)};
    testing::write_bytes(path, bytes.substr(0, 2) + head + content + bytes.substr(2));
}

TEST_F(ExportMetadata, AMakersNoteIsKeptUnlessThePlaceIsStripped) {
    const fs::path photo = folder.path / "photo.jpg";
    const VipsHandle plain = testing::vips_copy_of(daisy_pixels(64, 64));
    ASSERT_EQ(vips_jpegsave(plain.get(), photo.c_str(), "strip", TRUE, nullptr), 0);
    const std::string secret("SECRET\0\x01\x02\x03 at 48.5", 18);
    const ExifHandle exif = new_exif();
    add_exif_entry(exif.get(), EXIF_IFD_0, 0x010f, EXIF_FORMAT_ASCII, 5, std::string("Acme", 5));
    add_exif_entry(exif.get(), EXIF_IFD_EXIF, 0x927c, EXIF_FORMAT_UNDEFINED, 18, secret);
    // A fraction that no floating point has.
    add_exif_entry(exif.get(), EXIF_IFD_EXIF, 0x9206, EXIF_FORMAT_RATIONAL, 1, std::string(8, 0));
    add_exif(photo, exif_bytes(exif.get()));
    const auto note = [](const fs::path& path) {
        return printed_by(
            "exiftool -b -MakerNoteUnknown -MakerNoteUnknownBinary "
            "-MakerNoteUnknownText " +
            in_quotes(path));
    };
    ASSERT_EQ(note(photo).substr(0, 6), "SECRET");
    const fs::path tiff = exported(photo, "once.tif"), again = exported(tiff, "twice.tif");
    EXPECT_EQ(exif_tag(tiff, "ExifIFD:SubjectDistance"), "undef");
    for (const fs::path& out :
         {tiff, again, exported(tiff, "out.jpg"), exported(tiff, "out.png")}) {
        EXPECT_EQ(note(out), note(photo)) << out;
        EXPECT_EQ(exif_tag(out, "IFD0:Make"), "Acme") << out;
        const std::string name = "stripped" + out.extension().string();
        EXPECT_EQ(note(exported(out, name, {.strip_gps = true})), "") << out;
        EXPECT_EQ(read_file(folder.path / name).find("SECRET"), std::string::npos);
    }
}

TEST_F(ExportMetadata, TextOfPngsSurvivesInEveryScript) {
    const fs::path photo = folder.path / "photo.png";
    save_photo(photo, daisy_pixels(64, 64));
    set_tags(photo, "-PNG:Title='\u65e5\u672c\u8a9e' -PNG:Comment=plain -XMP-dc:Title='\u0416'");
    // Latin-1, as the chunk tEXt has it; ImageMagick writes it so.
    const std::string bytes = read_file(photo);
    testing::write_bytes(photo, bytes.substr(0, 33) +
                                    testing::png_chunk("tEXt", std::string("Author\0Zo\xeb", 10)) +
                                    bytes.substr(33));
    const fs::path out = exported(exported(photo, "once.png"), "twice.png");
    EXPECT_EQ(exif_tag(out, "PNG:Title"), "\u65e5\u672c\u8a9e");
    EXPECT_EQ(exif_tag(out, "PNG:Author"), "Zo\u00eb");
    EXPECT_EQ(exif_tag(out, "PNG:Comment"), "plain");
    EXPECT_EQ(exif_tag(out, "XMP-dc:Title"), "\u0416");
    EXPECT_EQ(exif_tag(out, "Warning"), "");
}

TEST(IptcBlock, DamagedResourcesHoldNothing) {
    const std::string records("\x1c\x02\x5a\x00\x01X", 6);
    const std::string block = jpeg_iptc(records);
    EXPECT_EQ(bare_iptc(block), records);
    EXPECT_EQ(bare_iptc(records), records);
    EXPECT_EQ(jpeg_iptc(block), block);
    for (std::size_t size = 0; size < block.size(); ++size) {
        EXPECT_EQ(bare_iptc(block.substr(0, size)), "") << size;
    }
    EXPECT_EQ(bare_iptc("nonsense"), "");
}

TEST(TiffMetadata, DamagedFilesHaveNone) {
    EXPECT_EQ(tiff_exif(""), "");
    EXPECT_EQ(tiff_exif("II*"), "");
    EXPECT_EQ(tiff_exif(std::string("II*\0\xff\xff\xff\xff", 8)), "");
    EXPECT_EQ(tiff_maker_note("MM"), "");
}

}  // namespace
}  // namespace keepsake::editor
