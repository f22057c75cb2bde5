#include "editor/photo/photo.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "editor/photo/image_file.h"
#include "editor/photo/pixel_tensors.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

using testing::quarters;
using testing::save_photo;
using testing::TemporaryFolder;
using testing::thrown_message;
using testing::vips_copy_of;

// 'R', 'G', 'B' or 'W': what is at (x, y), as near as a lossy file gives it.
char colour_at(const Pixels& pixels, int x, int y) {
    const std::uint8_t* p = &pixels.rgb[(std::size_t(y) * pixels.width + x) * 3];
    const bool r = p[0] > 127, g = p[1] > 127, b = p[2] > 127;
    if (r && g && b) return 'W';
    return r ? 'R' : g ? 'G' : b ? 'B' : '?';
}

// The four corners: top left, top right, bottom left, bottom right.
std::string corners(const Pixels& pixels) {
    const int right = pixels.width - 3, bottom = pixels.height - 3;
    return {colour_at(pixels, 2, 2), colour_at(pixels, right, 2), colour_at(pixels, 2, bottom),
            colour_at(pixels, right, bottom)};
}

class Orientation : public ::testing::TestWithParam<std::tuple<std::string, int>> {};

TEST_P(Orientation, IsApplied) {
    const auto [extension, orientation] = GetParam();
    // EXIF 2.3, tag 0x0112: where the stored first row and column lie in the upright picture.
    const std::string expected[] = {"RGBW", "GRWB", "WBGR", "BWRG", "RBGW", "BRWG", "WGBR", "GWRB"};
    const TemporaryFolder folder;
    const auto path = folder.path / ("photo" + extension);
    save_photo(path, quarters(48, 32), orientation);
    const Photo photo = load_photo(path);
    EXPECT_EQ(corners(photo.pixels), expected[orientation - 1]);
    EXPECT_EQ(photo.pixels.width, orientation < 5 ? 48 : 32);
    EXPECT_EQ(photo.pixels.height, orientation < 5 ? 32 : 48);
    EXPECT_EQ(photo.orientation, orientation);
}

INSTANTIATE_TEST_SUITE_P(Formats, Orientation,
                         ::testing::Combine(::testing::Values(".jpg", ".png", ".webp", ".tif"),
                                            ::testing::Range(1, 9)),
                         [](const auto& info) {
                             return std::get<0>(info.param).substr(1) + "_" +
                                    std::to_string(std::get<1>(info.param));
                         });

TEST(Photo, IsReadByContentAndKeptByteForByte) {
    const TemporaryFolder folder;
    save_photo(folder.path / "a.png", quarters(40, 40));
    std::filesystem::rename(folder.path / "a.png", folder.path / "a.jpg");
    const Photo photo = load_photo(folder.path / "a.jpg");
    EXPECT_EQ(photo.extension, "png");
    EXPECT_EQ(photo.bytes, read_file(folder.path / "a.jpg"));
    EXPECT_EQ(photo.pixels.rgb, quarters(40, 40).rgb);
}

TEST(Photo, SixteenBitGreyAndTransparentBecomeSrgb) {
    const TemporaryFolder folder;
    const VipsHandle colour = vips_copy_of(quarters(32, 32));
    VipsImage* made = nullptr;
    ASSERT_EQ(vips_colourspace(colour.get(), &made, VIPS_INTERPRETATION_RGB16, nullptr), 0);
    ASSERT_EQ(vips_pngsave(made, (folder.path / "deep.png").c_str(), nullptr), 0);
    g_object_unref(made);
    const Photo deep = load_photo(folder.path / "deep.png");
    EXPECT_EQ(deep.bits, 16);
    EXPECT_EQ(deep.pixels.rgb, quarters(32, 32).rgb);

    ASSERT_EQ(vips_colourspace(colour.get(), &made, VIPS_INTERPRETATION_B_W, nullptr), 0);
    ASSERT_EQ(vips_jpegsave(made, (folder.path / "grey.jpg").c_str(), nullptr), 0);
    g_object_unref(made);
    const Photo grey = load_photo(folder.path / "grey.jpg");
    EXPECT_EQ(grey.pixels.rgb.size(), 32u * 32u * 3u);
    EXPECT_EQ(grey.pixels.rgb[0], grey.pixels.rgb[2]);

    ASSERT_EQ(vips_bandjoin_const1(colour.get(), &made, 0, nullptr), 0);
    ASSERT_EQ(vips_pngsave(made, (folder.path / "clear.png").c_str(), nullptr), 0);
    g_object_unref(made);
    const Photo clear = load_photo(folder.path / "clear.png");
    EXPECT_TRUE(clear.has_alpha);
    EXPECT_EQ(corners(clear.pixels), "WWWW");
}

TEST(Photo, EmbeddedProfileIsConverted) {
    const TemporaryFolder folder;
    const VipsHandle colour = vips_copy_of(quarters(32, 32));
    // Display P3's red lies outside sRGB; the same numbers mean another colour there.
    VipsImage* made = nullptr;
    Pixels muted = quarters(32, 32);
    for (auto& value : muted.rgb) value = value ? 160 : 80;
    const VipsHandle source = vips_copy_of(muted);
    ASSERT_EQ(vips_icc_transform(source.get(), &made, "p3", "input_profile", "srgb", "intent",
                                 VIPS_INTENT_RELATIVE, nullptr),
              0)
        << vips_failure();
    ASSERT_EQ(vips_pngsave(made, (folder.path / "p3.png").c_str(), nullptr), 0);
    g_object_unref(made);
    const Photo photo = load_photo(folder.path / "p3.png");
    EXPECT_TRUE(photo.has_profile);
    int worst = 0;
    for (std::size_t i = 0; i < muted.rgb.size(); ++i) {
        worst = std::max(worst, std::abs(int(photo.pixels.rgb[i]) - int(muted.rgb[i])));
    }
    EXPECT_LE(worst, 2);
}

TEST(Photo, RefusesWhatIsNone) {
    const TemporaryFolder folder;
    const auto message = [](const std::filesystem::path& path) {
        return thrown_message<Error>([&] { load_photo(path); });
    };
    EXPECT_NE(message(folder.path / "none.jpg").find("none.jpg"), std::string::npos);
    EXPECT_NE(message(folder.path).find("is a folder"), std::string::npos);
    testing::write_bytes(folder.path / "words.jpg", "not a picture at all");
    EXPECT_NE(message(folder.path / "words.jpg").find("not an image"), std::string::npos);
    testing::write_bytes(folder.path / "empty.jpg", "");
    EXPECT_NE(message(folder.path / "empty.jpg").find("is an empty file"), std::string::npos);
    testing::write_bytes(folder.path / "drawing.svg",
                         "<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'/>");
    EXPECT_NE(message(folder.path / "drawing.svg").find("not an image"), std::string::npos);
    save_photo(folder.path / "dot.png", quarters(1, 1));
    EXPECT_NE(message(folder.path / "dot.png").find("1x1 pixels; the smallest is 16x16"),
              std::string::npos);
}

class Truncated : public ::testing::TestWithParam<std::string> {};

TEST_P(Truncated, IsAnError) {
    const TemporaryFolder folder;
    const auto path = folder.path / ("whole" + GetParam());
    Pixels noisy = quarters(128, 128);
    for (std::size_t i = 0; i < noisy.rgb.size(); ++i) noisy.rgb[i] ^= (i * 2654435761u >> 13) & 63;
    save_photo(path, noisy);
    const std::string bytes = read_file(path);
    for (const double part : {0.3, 0.6, 0.9}) {
        testing::write_bytes(path, bytes.substr(0, static_cast<std::size_t>(bytes.size() * part)));
        const std::string message = thrown_message<Error>([&] { load_photo(path); });
        EXPECT_EQ(message.find(path.string() + ": "), 0u) << message;
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
}

INSTANTIATE_TEST_SUITE_P(Formats, Truncated, ::testing::Values(".jpg", ".png", ".webp", ".tif"),
                         [](const auto& info) { return info.param.substr(1); });

TEST(Photo, ThirtyThousandPixelsWideWorksAndTooManyAreRefused) {
    const TemporaryFolder folder;
    save_photo(folder.path / "wide.jpg", quarters(30000, 40));
    const Photo wide = load_photo(folder.path / "wide.jpg");
    EXPECT_EQ(wide.pixels.width, 30000);
    EXPECT_EQ(corners(wide.pixels), "RGBW");
    VipsImage* black = nullptr;
    ASSERT_EQ(vips_black(&black, 30000, 9000, nullptr), 0);
    ASSERT_EQ(vips_pngsave(black, (folder.path / "huge.png").c_str(), "compression", 1, "bitdepth",
                           1, nullptr),
              0);
    g_object_unref(black);
    const std::string message =
        thrown_message<Error>([&] { load_photo(folder.path / "huge.png"); });
    EXPECT_NE(message.find("is 30000x9000 pixels; more than 268 megapixels"), std::string::npos)
        << message;
}

TEST(WorkingSquare, IsCentredOrCropped) {
    const TemporaryFolder folder;
    save_photo(folder.path / "a.png", quarters(64, 32));
    const Photo photo = load_photo(folder.path / "a.png");
    EXPECT_EQ(centred_square(photo), (Crop{16, 0, 32, 32}));
    EXPECT_EQ(corners(working_area(photo, centred_square(photo), {128, 128})), "RGBW");
    EXPECT_EQ(corners(working_area(photo, {0, 0, 16, 16}, {64, 64})), "RRRR");
    EXPECT_EQ(corners(working_area(photo, {48, 16, 16, 16}, {8, 8})), "WWWW");
    const auto message = [&](const Crop& crop) {
        return thrown_message<Error>([&] { working_area(photo, crop, {64, 64}); });
    };
    EXPECT_NE(message({0, 0, 34, 16}).find("crop 0,0,34,16: is more than twice as long"),
              std::string::npos);
    EXPECT_NE(message({0, 0, 16, 34}).find("twice as long"), std::string::npos);
    EXPECT_NE(message({40, 0, 32, 32}).find("outside the photo, which is 64x32"),
              std::string::npos);
    EXPECT_NE(message({-1, 0, 32, 32}).find("outside"), std::string::npos);
    EXPECT_NE(message({2147483647, 0, 32, 32}).find("outside"), std::string::npos);
    EXPECT_NE(message({0, 0, 8, 8}).find("smaller than 16x16"), std::string::npos);
}

TEST(WorkingArea, IsTheWholePhotoUnlessThatIsAPanorama) {
    Photo photo;
    const auto whole = [&](int width, int height) {
        photo.pixels.width = width;
        photo.pixels.height = height;
        const Crop crop = whole_crop(photo);
        check_crop(photo, crop);
        return crop;
    };
    EXPECT_EQ(whole(500, 333), (Crop{0, 0, 500, 333}));
    EXPECT_EQ(whole(333, 500), (Crop{0, 0, 333, 500}));
    EXPECT_EQ(whole(64, 64), (Crop{0, 0, 64, 64}));
    EXPECT_EQ(whole(800, 101), (Crop{299, 0, 202, 101}));
    EXPECT_EQ(whole(101, 800), (Crop{0, 299, 101, 202}));
}

TEST(WorkingArea, HasTheCropsShapeAndTheSquaresPixels) {
    EXPECT_EQ(working_size({0, 0, 333, 333}, 128), (Size{128, 128}));
    EXPECT_EQ(working_size({0, 0, 500, 333}, 128), (Size{160, 104}));
    EXPECT_EQ(working_size({0, 0, 333, 500}, 128), (Size{104, 160}));
    EXPECT_EQ(working_size({0, 0, 4000, 3000}, 512), (Size{592, 440}));
    EXPECT_EQ(working_size({0, 0, 200, 100}, 512), (Size{728, 360}));
    for (int width = 100; width <= 200; ++width) {
        const Size size = working_size({0, 0, width, 100}, 128);
        EXPECT_EQ(size.width % 8 + size.height % 8, 0);
        EXPECT_NEAR(double(size.width) / size.height, width / 100.0, 0.08 * width / 100) << width;
        EXPECT_NEAR(double(size.width) * size.height, 128 * 128, 0.08 * 128 * 128) << width;
    }
}

TEST(WorkingArea, OfARectangleIsTheWholeOfIt) {
    Photo photo;
    photo.pixels = quarters(96, 64);
    EXPECT_EQ(corners(working_area(photo, whole_crop(photo), {160, 104})), "RGBW");
    const Pixels area = working_area(photo, {0, 0, 48, 64}, {40, 56});
    EXPECT_EQ(area.width, 40);
    EXPECT_EQ(area.height, 56);
    EXPECT_EQ(corners(area), "RRBB");
}

TEST(WorkingSquare, IsResampledWithAntialiasing) {
    // A one-pixel checkerboard has no detail left at a quarter of its size: it becomes grey.
    Pixels board{64, 64, {}};
    for (int y = 0; y < 64; ++y) {
        for (int x = 0; x < 64; ++x) board.rgb.insert(board.rgb.end(), 3, (x + y) % 2 ? 255 : 0);
    }
    const Pixels small = resize(board, 16, 16);
    for (const std::uint8_t value : small.rgb) EXPECT_NEAR(value, 127, 1);
}

TEST(Pixels, TensorRangeAndRounding) {
    const Pixels pixels{2, 1, {0, 128, 255, 1, 2, 3}};
    const at::Tensor tensor = to_tensor(pixels);
    EXPECT_EQ(tensor.sizes(), (at::IntArrayRef{1, 3, 1, 2}));
    EXPECT_FLOAT_EQ(tensor[0][0][0][0].item<float>(), -1.0f);
    EXPECT_FLOAT_EQ(tensor[0][2][0][0].item<float>(), 1.0f);
    EXPECT_FLOAT_EQ(tensor[0][1][0][0].item<float>(), 128 / 127.5f - 1);
    EXPECT_EQ(to_pixels((tensor + 1) / 2).rgb, pixels.rgb);
}

TEST(ImageFile, PngCarriesItsRecipe) {
    const TemporaryFolder folder;
    const std::string recipe = R"({"edit":{"prompt":"\u82b1 \"red\""}})";
    write_image(folder.path / "a.png", quarters(32, 32), {.recipe = recipe});
    EXPECT_EQ(read_image_recipe(folder.path / "a.png"), recipe);
    EXPECT_EQ(load_photo(folder.path / "a.png").pixels.rgb, quarters(32, 32).rgb);
    // Any other reader of PNG finds it too: it is a text chunk (libvips compresses long ones).
    EXPECT_NE(read_file(folder.path / "a.png").find("Xtkeepsake"), std::string::npos);
    write_image(folder.path / "b.png", quarters(32, 32));
    EXPECT_EQ(read_image_recipe(folder.path / "b.png"), std::nullopt);
}

TEST(ImageFile, FormatFollowsTheExtension) {
    const TemporaryFolder folder;
    for (const char* name : {"a.png", "a.jpg", "a.JPEG", "a.webp"}) {
        write_image(folder.path / name, quarters(32, 32), {.recipe = "{}"});
        EXPECT_EQ(corners(load_photo(folder.path / name).pixels), "RGBW") << name;
    }
    EXPECT_EQ(load_photo(folder.path / "a.JPEG").extension, "jpg");
    EXPECT_EQ(load_photo(folder.path / "a.webp").extension, "webp");
    EXPECT_NE(thrown_message<Error>([&] {
                  write_image(folder.path / "a.bmp", quarters(32, 32));
              }).find("a.bmp: is no image file name"),
              std::string::npos);
    EXPECT_NE(thrown_message<Error>([&] {
                  write_image(folder.path / "no" / "a.png", quarters(32, 32));
              }).find("a.png: "),
              std::string::npos);
}

}  // namespace
}  // namespace keepsake::editor
