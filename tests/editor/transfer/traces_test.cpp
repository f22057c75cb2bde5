// What an export no longer holds of the photo before: places where they are stripped, thumbnails,
// gain maps, settings of generators; and that the rest is as it was. Read back by exiftool.
#include <gtest/gtest.h>

#include <tuple>

#include "editor/photo/exif_entries.h"
#include "editor/photo/image_file.h"
#include "editor/photo/iptc_block.h"
#include "editor/photo/jpeg_segments.h"
#include "editor/photo/png_chunks.h"
#include "editor/transfer/export_photo.h"
#include "tests/editor/case_files.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using testing::case_file;
using testing::daisy_pixels;
using testing::exif_tag;
using testing::in_quotes;
using testing::printed_by;
using testing::red_edit;
using testing::save_photo;
using testing::set_tags;

const std::string all_formats[] = {".jpg", ".png", ".webp", ".tif"};

class Traces : public ::testing::Test {
  protected:
    fs::path exported(const fs::path& photo, const std::string& name,
                      const ExportOptions& options = {}) const {
        const Photo loaded = load_photo(photo);
        const fs::path out = folder.path / name;
        export_photo(out, loaded, red_edit(loaded.pixels, centred_square(loaded), 32), {}, options);
        return out;
    }

    // A small photo of this format.
    fs::path photo_as(const std::string& extension) const {
        const fs::path path = folder.path / ("photo" + extension);
        save_photo(path, daisy_pixels(64, 64));
        return path;
    }

    const testing::TemporaryFolder folder;
};

TEST_F(Traces, PlacesUnderOtherNamesAreStripped) {
    const fs::path photo = case_file("gps-in-other-names.jpg");
    ASSERT_NE(exif_tag(photo, "GPS*"), "");
    for (const std::string& extension : all_formats) {
        const fs::path out = exported(photo, "out" + extension, {.strip_gps = true});
        EXPECT_EQ(exif_tag(out, "GPS*"), "") << extension;
        EXPECT_EQ(exif_tag(out, "XMP:AbsoluteAltitude"), "") << extension;
        const fs::path kept = exported(photo, "kept" + extension);
        EXPECT_EQ(exif_tag(kept, "XMP-drone-dji:GPSLatitude"), "+10.500000") << extension;
    }
}

std::string resource(int id, const std::string& content) {
    const std::size_t size = content.size();
    std::string whole = "8BIM";
    whole += {static_cast<char>(id >> 8),   static_cast<char>(id & 0xff),  0, 0, 0, 0,
              static_cast<char>(size >> 8), static_cast<char>(size & 0xff)};
    whole += content;
    return size % 2 == 1 ? whole + '\0' : whole;
}

TEST_F(Traces, OfPhotoshopsResourcesTheHarmlessStay) {
    const std::string iptc(
        "\x1c\x02\x5a\0\x06"
        "Berlin",
        11);
    const std::string resources = resource(0x0404, iptc) + resource(0x040C, "THUMBNAIL") +
                                  resource(0x0422, "EXIFCOPY") + resource(0x0424, "XMPCOPY") +
                                  resource(0x03F3, "print flags") + resource(0x07D0, "a path!");
    const fs::path photo = photo_as(".jpg");
    const std::string segment =
        jpeg_segment_of(0xed, std::string("Photoshop 3.0\0", 14) + resources);
    testing::write_bytes(photo, jpeg_with_segments(read_file(photo), segment));
    ASSERT_EQ(exif_tag(photo, "IPTC:City"), "Berlin");
    for (const bool strip : {false, true}) {
        const fs::path out = exported(photo, "out.jpg", {.strip_gps = strip});
        const std::string bytes = read_file(out);
        EXPECT_EQ(exif_tag(out, "IPTC:City"), "Berlin");
        for (const char* gone : {"THUMBNAIL", "EXIFCOPY", "XMPCOPY"}) {
            EXPECT_EQ(bytes.find(gone), bytes.npos) << gone;
        }
        EXPECT_EQ(bytes.find("a path!") == bytes.npos, strip);
        EXPECT_EQ(bytes.find("print flags") == bytes.npos, strip);
    }
    // In a TIFF they have a tag of their own.
    const fs::path page = photo_as(".tif");
    VipsImage* made = vips_image_new_from_file(page.c_str(), nullptr);
    VipsImage* copy = nullptr;
    ASSERT_EQ(vips_copy(made, &copy, nullptr), 0);
    vips_image_set_blob_copy(copy, VIPS_META_PHOTOSHOP_NAME, resources.data(), resources.size());
    ASSERT_EQ(vips_tiffsave(copy, (folder.path / "with.tif").c_str(), nullptr), 0);
    g_object_unref(copy);
    g_object_unref(made);
    ASSERT_NE(read_file(folder.path / "with.tif").find("THUMBNAIL"), std::string::npos);
    const std::string tiff = read_file(exported(folder.path / "with.tif", "out.tif"));
    EXPECT_EQ(tiff.find("THUMBNAIL"), std::string::npos);
    EXPECT_NE(tiff.find("a path!"), std::string::npos);
}

TEST(Resources, DamageEndsThem) {
    const std::string good = resource(0x0404, "x") + resource(0x07D0, "abcd");
    EXPECT_EQ(kept_resources(good, false), good);
    EXPECT_EQ(kept_resources(good, true), resource(0x0404, "x"));
    for (std::size_t size = 0; size < good.size(); ++size) {
        EXPECT_TRUE(good.starts_with(kept_resources(good.substr(0, size), false))) << size;
    }
    EXPECT_EQ(kept_resources("nonsense", false), "");
    EXPECT_EQ(kept_resources("\x1c\x02z", true), "\x1c\x02z");
}

TEST_F(Traces, XmpsThumbnailAndGainMapAreNotClaimed) {
    for (const std::string& extension : all_formats) {
        SCOPED_TRACE(extension);
        const fs::path photo = photo_as(extension);
        testing::write_bytes(
            folder.path / "packet.xmp",
            "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF "
            "xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description "
            "rdf:about=\"\" xmlns:h=\"http://ns.adobe.com/hdr-gain-map/1.0/\" "
            "xmlns:g=\"http://ns.adobe.com/xap/1.0/g/img/\" "
            "xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" "
            "xmlns:C=\"http://ns.google.com/photos/1.0/container/\" h:Version=\"1.0\">"
            "<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType=\"Resource\"><g:image>STALE</g:image>"
            "</rdf:li></rdf:Alt></xmp:Thumbnails><C:Directory>GainMap</C:Directory>"
            "<xmp:Label>kept</xmp:Label></rdf:Description></rdf:RDF></x:xmpmeta>");
        set_tags(photo, "'-XMP<=" + (folder.path / "packet.xmp").string() + "'");
        const auto packet = [](const fs::path& path) {
            return printed_by("exiftool -b -XMP " + in_quotes(path));
        };
        ASSERT_NE(packet(photo).find("hdr-gain-map"), std::string::npos);
        const fs::path out = exported(photo, "out" + extension);
        for (const char* gone : {"gain", "GainMap", "STALE", "Thumbnails"}) {
            EXPECT_EQ(packet(out).find(gone), std::string::npos) << gone;
        }
        EXPECT_EQ(exif_tag(out, "XMP-xmp:Label"), "kept");
        EXPECT_EQ(exif_tag(out, "Warning"), "");
    }
}

constexpr const char* settings = "a daisy\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1";

TEST_F(Traces, SettingsOfAGeneratorAreNotCarriedOver) {
    const auto text = [](const std::string& keyword, const std::string& value) {
        return png_chunk_of("tEXt", keyword + std::string(1, '\0') + value);
    };
    const fs::path png = photo_as(".png");
    testing::write_bytes(
        png, png_with_chunks(read_file(png),
                             text("parameters", settings) + text("prompt", "{\"3\":{}}") +
                                 text("workflow", "{}") + text("invokeai_metadata", "{}") +
                                 text("Author", "me")));
    ASSERT_NE(exif_tag(png, "PNG:Parameters"), "");
    const fs::path out = exported(png, "out.png");
    EXPECT_EQ(exif_tag(out, "PNG:Parameters -PNG:Prompt -PNG:Workflow -PNG:Invokeai_metadata"), "");
    EXPECT_EQ(exif_tag(out, "PNG:Author"), "me");
    EXPECT_EQ(read_file(out).find("invokeai"), std::string::npos);
    for (const std::string& extension : all_formats) {
        SCOPED_TRACE(extension);
        const fs::path photo = photo_as(extension);
        set_tags(photo,
                 std::string("-EXIF:Make='workflow:{}' -EXIF:Artist=me -EXIF:UserComment='") +
                     settings + "' -XMP-dc:Description='" + settings + "'");
        ASSERT_NE(exif_tag(photo, "EXIF:UserComment"), "");
        const fs::path after = exported(photo, "after" + extension);
        EXPECT_EQ(exif_tag(after, "EXIF:UserComment -EXIF:Make -XMP-dc:Description"), "");
        EXPECT_EQ(exif_tag(after, "EXIF:Artist"), "me");
    }
}

TEST_F(Traces, TheSourceOfThePictureIsTold) {
    const std::string base = "http://cv.iptc.org/newscodes/digitalsourcetype/";
    for (const std::string& extension : all_formats) {
        SCOPED_TRACE(extension);
        const fs::path photo = photo_as(extension);
        const fs::path out = exported(photo, "out" + extension, {.recipe = "{}"});
        EXPECT_EQ(exif_tag(out, "XMP-iptcExt:DigitalSourceType"),
                  base + "compositeWithTrainedAlgorithmicMedia");
        const fs::path made = folder.path / ("made" + extension);
        write_image(made, daisy_pixels(64, 64),
                    {.recipe = "{\"a\":1}", .source = PictureSource::made_by_model});
        EXPECT_EQ(exif_tag(made, "XMP-iptcExt:DigitalSourceType"),
                  base + "trainedAlgorithmicMedia");
        EXPECT_EQ(read_image_recipe(made), "{\"a\":1}");
    }
}

TEST_F(Traces, LargeXmpIsReadFromAndWrittenToJpegs) {
    const fs::path png = photo_as(".png");
    std::string words;
    for (int i = 0; i < 9000; ++i) words += "word" + std::to_string(i) + " ";
    testing::write_bytes(folder.path / "words", words);
    set_tags(png, "'-XMP-photoshop:History<=" + (folder.path / "words").string() +
                      "' -XMP-dc:Title=Daisy");
    const fs::path jpeg = exported(png, "out.jpg", {.recipe = "{}"});
    const auto history = [](const fs::path& path) {
        return exif_tag(path, "XMP-photoshop:History");
    };
    EXPECT_EQ(history(jpeg), history(png));
    EXPECT_GT(history(jpeg).size(), 70000u);
    EXPECT_EQ(exif_tag(jpeg, "XMP-dc:Title"), "Daisy");
    EXPECT_EQ(read_image_recipe(jpeg), "{}");
    EXPECT_EQ(exif_tag(jpeg, "Warning"), "");
    const fs::path again = exported(jpeg, "again.webp");
    EXPECT_EQ(history(again), history(png));
}

class LatinText : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(LatinText, IsCarriedOverByteForByte) {
    const testing::TemporaryFolder folder;
    const auto& [from, to] = GetParam();
    const auto told = [](const fs::path& path) {
        return printed_by(
            "exiftool -n -s3 -f -charset exif=latin1 -IFD0:Copyright -IFD0:Artist "
            "-IFD0:ImageDescription -IFD0:Make " +
            in_quotes(path));
    };
    const fs::path original = case_file("exif-latin1.jpg");
    const auto exported = [&](const fs::path& photo, const std::string& name) {
        const Photo loaded = load_photo(photo);
        export_photo(folder.path / name, loaded,
                     red_edit(loaded.pixels, centred_square(loaded), 32));
        return folder.path / name;
    };
    const fs::path photo = from == ".jpg" ? original : exported(original, "photo" + from);
    const fs::path out = exported(photo, "out" + to);
    EXPECT_EQ(told(out), told(original));
    EXPECT_EQ(read_file(out).find("invalid utf-8"), std::string::npos);
    EXPECT_NE(told(out).find("\u00e9"), std::string::npos) << told(out);
}

INSTANTIATE_TEST_SUITE_P(Export, LatinText,
                         ::testing::Combine(::testing::ValuesIn(all_formats),
                                            ::testing::ValuesIn(all_formats)),
                         [](const auto& info) {
                             return std::get<0>(info.param).substr(1) + "To" +
                                    std::get<1>(info.param).substr(1);
                         });

}  // namespace
}  // namespace keepsake::editor
