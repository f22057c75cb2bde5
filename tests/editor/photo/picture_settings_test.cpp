// Generators' settings in real files: written by us and by exiftool, read by us and by exiftool.
#include "editor/photo/picture_settings.h"

#include <gtest/gtest.h>

#include "editor/photo/image_file.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

const std::string text =
    "a photo of Zo\u00eb's \u82b1 \U0001F33A\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, "
    "CFG scale: 7, Seed: 5, Size: 64x64, RNG: CPU, Version: Keepsake";

class PictureSettings : public ::testing::TestWithParam<const char*> {
  protected:
    const testing::TemporaryFolder folder;
    const fs::path path = folder.path / (std::string("a") + GetParam());
};

TEST_P(PictureSettings, WrittenAndRead) {
    write_image(path, testing::quarters(64, 64), {.parameters = text});
    const auto read = read_picture_settings(path);
    ASSERT_TRUE(read);
    EXPECT_EQ(a1111_parameters(*read), text);
    // As another program sees it.
    const bool png = path.extension() == ".png";
    EXPECT_EQ(testing::printed_by("exiftool -b -" +
                                  std::string(png ? "PNG:Parameters" : "EXIF:UserComment") + " " +
                                  testing::in_quotes(path)),
              text);
}

TEST_P(PictureSettings, NoneWhereThereAreNone) {
    write_image(path, testing::quarters(64, 64));
    EXPECT_FALSE(read_picture_settings(path));
    if (path.extension() == ".png") return;
    testing::set_tags(path, "-EXIF:UserComment='a day at the sea'");
    EXPECT_FALSE(read_picture_settings(path));
}

INSTANTIATE_TEST_SUITE_P(Formats, PictureSettings,
                         ::testing::Values(".png", ".jpg", ".webp", ".tif"),
                         [](const auto& info) { return std::string(info.param).substr(1); });

TEST(UserComment, OfEveryKind) {
    const std::string unicode("UNICODE\0", 8);
    EXPECT_EQ(read_user_comment(unicode + std::string("\0a\0b", 4)), "ab");
    EXPECT_EQ(read_user_comment(unicode + std::string("a\0b\0", 4)), "ab");
    EXPECT_EQ(read_user_comment(unicode + std::string("\xff\xfe\xb1\x82", 4)), "\u82b1");
    EXPECT_EQ(read_user_comment(unicode + std::string("\x82\xb1", 2)), "\u82b1");
    EXPECT_EQ(read_user_comment(unicode + std::string("\xd8\x3c\0x", 4)), "\ufffdx");
    EXPECT_EQ(read_user_comment(unicode + "\xd8"), "");
    EXPECT_EQ(read_user_comment(std::string("ASCII\0\0\0abc", 11)), "abc");
    EXPECT_EQ(read_user_comment("bare"), "bare");
    EXPECT_EQ(read_user_comment(""), "");
    EXPECT_EQ(read_user_comment(unicode_user_comment("a\xff\xe8\xac \U0001F33A")),
              "a\ufffd\ufffd\ufffd \U0001F33A");
}

}  // namespace
}  // namespace keepsake::editor
