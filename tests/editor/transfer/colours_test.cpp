// What a file says of its samples and channels is believed: when it is loaded, in thumbnails, and
// in the export.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "editor/photo/image_file.h"
#include "editor/photo/png_chunks.h"
#include "editor/photo/png_colour.h"
#include "editor/photo/thumbnail.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/error.h"
#include "tests/editor/case_files.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using testing::case_file;
using testing::exif_tag;
using testing::identified;
using testing::printed_by;
using testing::red_edit;
using testing::thrown_message;
using testing::worst_difference;

Pixels picture() {
    return load_photo(case_file("picture.png")).pixels;
}

// Each sample of `pixels` decoded and encoded as sRGB (IEC 61966-2-1).
template <class Decode>
Pixels decoded_by(Pixels pixels, Decode decode) {
    for (std::uint8_t& value : pixels.rgb) {
        const double light = decode(value / 255.0);
        const double code =
            light <= 0.0031308 ? 12.92 * light : 1.055 * std::pow(light, 1 / 2.4) - 0.055;
        value = static_cast<std::uint8_t>(std::lround(255 * std::min(1.0, code)));
    }
    return pixels;
}

fs::path exported(const Photo& photo, const fs::path& out, bool changed) {
    AreaEdit edit = red_edit(photo.pixels, centred_square(photo), 32);
    if (!changed) edit.edit = edit.reconstruction;
    export_photo(out, photo, edit);
    return out;
}

class Colours : public ::testing::Test {
  protected:
    const testing::TemporaryFolder folder;
};

struct Told {
    const char* file;
    Pixels (*meant)();
};

Pixels as_it_is() {
    return picture();
}

Pixels by_gamma_of_1_8() {
    return decoded_by(picture(), [](double v) { return std::pow(v, 1 / 0.556); });
}

Pixels green_as_grey() {
    Pixels pixels = picture();
    for (std::size_t i = 0; i < pixels.rgb.size(); i += 3) {
        pixels.rgb[i] = pixels.rgb[i + 2] = pixels.rgb[i + 1];
    }
    return pixels;
}

class ToldColours : public ::testing::TestWithParam<Told> {};

TEST_P(ToldColours, AreThoseThatAreSeen) {
    const testing::TemporaryFolder folder;
    const Pixels meant = GetParam().meant();
    const fs::path file = case_file(GetParam().file);
    const Photo photo = load_photo(file);
    EXPECT_LE(worst_difference(photo.pixels, meant), 1);
    EXPECT_FALSE(photo.has_alpha);
    EXPECT_LE(worst_difference(load_thumbnail(file, 32), meant), 1);
    for (const char* name : {"same.png", "same.tif", "same.webp", "same.jpg"}) {
        SCOPED_TRACE(name);
        const fs::path out = exported(photo, folder.path / name, false);
        const bool lossy = out.extension() == ".webp" || out.extension() == ".jpg";
        EXPECT_LE(worst_difference(load_photo(out).pixels, meant), lossy ? 40 : 1);
    }
    const Pixels wanted =
        full_resolution(photo.pixels, red_edit(photo.pixels, centred_square(photo), 32));
    const Pixels found = load_photo(exported(photo, folder.path / "red.png", true)).pixels;
    EXPECT_LE(worst_difference(found, wanted), 12);
}

INSTANTIATE_TEST_SUITE_P(
    Files, ToldColours,
    ::testing::Values(Told{"float-with-profile.tif", as_it_is}, Told{"float-linear.tif", as_it_is},
                      Told{"float-linear-grey.tif", green_as_grey}, Told{"uint32.tif", as_it_is},
                      Told{"gama-0.556.png", by_gamma_of_1_8}, Told{"gama-1.0-16bit.png", as_it_is},
                      Told{"rgb-and-one-more.tif", as_it_is}),
    [](const auto& info) {
        std::string name = info.param.file;
        for (char& c : name) {
            if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
        }
        return name;
    });

TEST_F(Colours, ChunksOfAPngAreKeptBesideTheProfile) {
    const Photo photo = load_photo(case_file("gama-0.556.png"));
    for (const bool changed : {false, true}) {
        const fs::path out = exported(photo, folder.path / "out.png", changed);
        EXPECT_EQ(exif_tag(out, "PNG:Gamma"), exif_tag(photo.path, "PNG:Gamma"));
        EXPECT_EQ(exif_tag(out, "PNG:RedX"), "0.64");
        EXPECT_NE(exif_tag(out, "ICC_Profile:MediaWhitePoint"), "");
        EXPECT_EQ(exif_tag(out, "Warning"), "");
    }
    // Colours of their own are sRGB in another picture.
    write_image(folder.path / "square.png", photo.pixels);
    EXPECT_EQ(exif_tag(folder.path / "square.png", "PNG:Gamma"), "");
}

// A PNG of the picture with these chunks.
fs::path png_with(const testing::TemporaryFolder& folder, const std::string& chunks) {
    write_image(folder.path / "plain.png", picture());
    const fs::path path = folder.path / "told.png";
    testing::write_bytes(path, png_with_chunks(read_file(folder.path / "plain.png"), chunks));
    return path;
}

std::string gama(std::uint32_t value) {
    std::string content;
    for (int shift = 24; shift >= 0; shift -= 8) content += static_cast<char>(value >> shift);
    return png_chunk_of("gAMA", content);
}

std::string cicp(int primaries, int transfer) {
    const std::string content{static_cast<char>(primaries), static_cast<char>(transfer), 0, 1};
    return png_chunk_of("cICP", content);
}

TEST_F(Colours, TheFirstOfSeveralTellersIsBelieved) {
    const Pixels plain = picture();
    const auto seen = [&](const std::string& chunks) {
        return load_photo(png_with(folder, chunks)).pixels;
    };
    // As programs write sRGB; and what makes no sense.
    EXPECT_EQ(seen(gama(45455)).rgb, plain.rgb);
    EXPECT_EQ(seen(png_chunk_of("sRGB", std::string(1, '\0')) + gama(100000)).rgb, plain.rgb);
    for (const std::uint32_t nonsense : {0u, 1u, 4000000000u}) {
        EXPECT_EQ(seen(gama(nonsense)).rgb, plain.rgb) << nonsense;
    }
    EXPECT_EQ(seen(cicp(1, 13) + gama(100000)).rgb, plain.rgb);
    EXPECT_EQ(seen(cicp(2, 2)).rgb, plain.rgb);
    const Pixels linear = decoded_by(plain, [](double v) { return v; });
    EXPECT_LE(worst_difference(seen(gama(100000)), linear), 1);
    EXPECT_LE(worst_difference(seen(cicp(1, 8) + gama(45455)), linear), 1);
    EXPECT_TRUE(load_photo(png_with(folder, cicp(1, 8))).has_profile);
}

TEST_F(Colours, CicpTellsWideColoursAndHdr) {
    const auto as_p3 = [&] { return load_photo(png_with(folder, cicp(12, 13))).pixels; };
    VipsImage* made = nullptr;
    const VipsHandle source = testing::vips_copy_of(picture());
    ASSERT_EQ(vips_icc_transform(source.get(), &made, "srgb", "input_profile", "p3", "intent",
                                 VIPS_INTENT_RELATIVE, nullptr),
              0);
    const VipsHandle by_vips(made);
    ASSERT_EQ(vips_pngsave(by_vips.get(), (folder.path / "p3.png").c_str(), nullptr), 0);
    EXPECT_LE(worst_difference(as_p3(), load_photo(folder.path / "p3.png").pixels), 2);
    // PQ's code of 203 cd/m2 is 0.5807, HLG's 0.7490 (ITU-R BT.2408, table 1): white.
    Pixels grey{32, 32, std::vector<std::uint8_t>(32 * 32 * 3, 148)};
    const auto level = [&](std::uint8_t code, int transfer) {
        std::fill(grey.rgb.begin(), grey.rgb.end(), code);
        write_image(folder.path / "grey.png", grey);
        const std::string bytes =
            png_with_chunks(read_file(folder.path / "grey.png"), cicp(9, transfer));
        testing::write_bytes(folder.path / "hdr.png", bytes);
        return int(load_photo(folder.path / "hdr.png").pixels.rgb[0]);
    };
    EXPECT_NEAR(level(148, 16), 255, 1);
    EXPECT_NEAR(level(191, 18), 255, 2);
    EXPECT_EQ(level(255, 16), 255);
    // The grey card there: 26 cd/m2, 0.38 in both.
    EXPECT_NEAR(level(97, 16), 101, 3);
    EXPECT_NEAR(level(97, 18), 101, 3);
}

// Cameras tell Adobe RGB in EXIF alone.
TEST_F(Colours, ExifTellsAdobeRgb) {
    Pixels plain{64, 64, {}};
    for (int i = 0; i < 64 * 64; ++i) plain.rgb.insert(plain.rgb.end(), {100, 150, 110});
    const auto light = [](int code) { return std::pow(code / 255.0, 2.19921875); };
    const double r = light(100), g = light(150), b = light(110);
    // Of the same white and red; by the primaries of both.
    Pixels meant{1, 1, {}};
    for (const double value : {1.39836 * r - 0.39836 * g, g, 1.04293 * b - 0.04293 * g}) {
        const double code = 1.055 * std::pow(value, 1 / 2.4) - 0.055;
        meant.rgb.push_back(static_cast<std::uint8_t>(std::lround(255 * code)));
    }
    for (const char* name : {"a.jpg", "a.png", "a.webp"}) {
        SCOPED_TRACE(name);
        const fs::path path = folder.path / name;
        testing::save_photo(path, plain);
        testing::set_tags(path, "-EXIF:InteropIndex=R98 -EXIF:ColorSpace#=1");
        const Pixels as_srgb = load_photo(path).pixels;
        testing::set_tags(path, "-EXIF:InteropIndex=R03 -EXIF:ColorSpace#=65535");
        const Photo photo = load_photo(path);
        for (std::size_t i = 0; i < 3; ++i) {
            EXPECT_NEAR(as_srgb.rgb[i], plain.rgb[i], 2);
            EXPECT_NEAR(photo.pixels.rgb[i], meant.rgb[i], 3) << i;
        }
        const fs::path out = exported(photo, folder.path / "out.png", false);
        EXPECT_EQ(load_photo(out).pixels.rgb, photo.pixels.rgb);
    }
}

TEST_F(Colours, GreyPngsHaveAGammaToo) {
    VipsImage* made = nullptr;
    const VipsHandle source = testing::vips_copy_of(picture());
    ASSERT_EQ(vips_colourspace(source.get(), &made, VIPS_INTERPRETATION_B_W, nullptr), 0);
    const VipsHandle grey(made);
    const fs::path plain = folder.path / "grey.png", told = folder.path / "told.png";
    ASSERT_EQ(vips_pngsave(grey.get(), plain.c_str(), nullptr), 0);
    testing::write_bytes(told, png_with_chunks(read_file(plain), gama(100000)));
    const Photo photo = load_photo(told);
    const Pixels meant = decoded_by(load_photo(plain).pixels, [](double v) { return v; });
    EXPECT_LE(worst_difference(photo.pixels, meant), 1);
    const fs::path out = exported(photo, folder.path / "out.png", true);
    // In colour now, in sRGB's profile, which the chunk would belie.
    EXPECT_EQ(exif_tag(out, "PNG:Gamma"), "");
    const Pixels wanted =
        full_resolution(photo.pixels, red_edit(photo.pixels, centred_square(photo), 32));
    EXPECT_LE(worst_difference(load_photo(out).pixels, wanted), 4);
}

TEST_F(Colours, FurtherChannelsOfATiffAreNeitherSeenNorLost) {
    const Photo alone = load_photo(case_file("rgb-and-one-more.tif"));
    const Photo behind = load_photo(case_file("rgb-alpha-and-one-more.tif"));
    const Photo before = load_photo(case_file("one-more-before-alpha.tif"));
    EXPECT_FALSE(alone.has_alpha);
    EXPECT_TRUE(behind.has_alpha);
    EXPECT_TRUE(before.has_alpha);
    EXPECT_EQ(behind.pixels.rgb, before.pixels.rgb);
    EXPECT_NE(behind.pixels.rgb, picture().rgb);
    const auto channel = [](const fs::path& path, int i) {
        VipsImage* made = nullptr;
        const VipsHandle image(vips_image_new_from_file(path.c_str(), nullptr));
        if (vips_extract_band(image.get(), &made, i, nullptr) != 0) return std::string();
        const VipsHandle plane(made);
        std::size_t size = 0;
        const std::unique_ptr<void, void (*)(void*)> bytes(
            vips_image_write_to_memory(plane.get(), &size), g_free);
        return std::string(static_cast<const char*>(bytes.get()), size);
    };
    for (const bool changed : {false, true}) {
        for (const Photo* photo : {&alone, &behind, &before}) {
            SCOPED_TRACE(photo->path.filename().string());
            const fs::path out = exported(*photo, folder.path / "out.tif", changed);
            const bool clear = photo->has_alpha;
            EXPECT_EQ(exif_tag(out, "IFD0:ExtraSamples"), clear ? "2 0" : "0");
            EXPECT_EQ(channel(out, clear ? 4 : 3), channel(alone.path, 3));
            if (clear) {
                EXPECT_EQ(channel(out, 3), channel(behind.path, 3));
            }
            EXPECT_EQ(exif_tag(out, "Warning"), "");
            const fs::path png = exported(*photo, folder.path / "out.png", changed);
            EXPECT_EQ(exif_tag(png, "PNG:ColorType"), clear ? "6" : "2");
        }
    }
}

TEST_F(Colours, SamplesWithASignAreRefused) {
    VipsImage* made = nullptr;
    const VipsHandle source = testing::vips_copy_of(picture());
    ASSERT_EQ(vips_cast_short(source.get(), &made, nullptr), 0);
    const VipsHandle whole(made);
    const fs::path path = folder.path / "signed.tif";
    ASSERT_EQ(vips_tiffsave(whole.get(), path.c_str(), nullptr), 0);
    const std::string message = thrown_message<Error>([&] { load_photo(path); });
    EXPECT_NE(message.find("signed.tif: has samples with a sign"), std::string::npos) << message;
}

TEST_F(Colours, PreviewsAreNotTakenForThePhoto) {
    for (const auto& load : {+[](const fs::path& path) { load_photo(path); },
                             +[](const fs::path& path) { load_thumbnail(path, 32); }}) {
        const auto message = [&](const fs::path& path) {
            return thrown_message<Error>([&] { load(path); });
        };
        EXPECT_NE(message(case_file("raw-with-preview.dng")).find("is a camera's raw file"),
                  std::string::npos);
        EXPECT_NE(message(case_file("preview-first.tif")).find("begins with a small copy"),
                  std::string::npos);
    }
    for (const std::string& start :
         {std::string("FUJIFILMCCD-RAW 0201"), std::string("IIRO\x08\0\0\0", 8),
          std::string("\0\0\0\x18"
                      "ftypcrx ",
                      12),
          std::string("II*\0\x10\0\0\0CR\x02\0", 12)}) {
        const fs::path path = folder.path / "camera.raw";
        testing::write_bytes(path, start + std::string(64, '\0'));
        EXPECT_NE(thrown_message<Error>([&] { load_photo(path); }).find("raw file"),
                  std::string::npos);
    }
    // Pages of the same size are no previews.
    const fs::path pages = folder.path / "pages.tif";
    printed_by("convert -size 32x32 xc:red xc:blue " + testing::in_quotes(pages));
    EXPECT_EQ(load_photo(pages).pixels.rgb[0], 255);
}

TEST_F(Colours, TransparentIsOutsideOfAMask) {
    const Photo mask = load_photo(case_file("white-on-transparent-mask.png"));
    const Mask loaded = load_mask(mask.path, mask, centred_square(mask));
    const auto inside = std::ranges::count(loaded.values, 255);
    const std::string share = printed_by("convert " + testing::in_quotes(mask.path) +
                                         " -alpha extract -format '%[fx:mean]' info:");
    EXPECT_NEAR(double(inside) / double(loaded.values.size()), std::stod(share), 1e-3);
    EXPECT_EQ(loaded.values.front(), 0);
    EXPECT_GT(inside, 100);
}

}  // namespace
}  // namespace keepsake::editor
