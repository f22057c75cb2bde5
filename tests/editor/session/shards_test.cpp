// Tar files of pictures. What tar itself writes is tried by the last test.
#include "editor/session/shards.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "editor/session/picture_set.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using testing::quarters;
using testing::save_photo;
using testing::TemporaryFolder;
using testing::thrown_message;
using testing::write_bytes;

std::string octal(std::uint64_t value, std::size_t size) {
    char text[24];
    std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(size - 1),
                  static_cast<unsigned long long>(value));
    return std::string(text) + '\0';
}

std::string entry(const std::string& name, const std::string& content, char kind = '0') {
    std::string header(512, '\0');
    const auto put = [&](std::size_t at, const std::string& text) {
        header.replace(at, text.size(), text);
    };
    put(0, name);
    put(100, octal(0644, 8));
    put(124, octal(content.size(), 12));
    put(148, "        ");
    header[156] = kind;
    put(257, std::string("ustar\0", 6) + "00");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, octal(sum, 7));
    return header + content + std::string((512 - content.size() % 512) % 512, '\0');
}

const std::string end_of_tar(1024, '\0');

class Shards : public ::testing::Test {
  protected:
    Shards() {
        save_photo(folder.path / "p.png", quarters(40, 20));
        save_photo(folder.path / "q.jpg", quarters(24, 24));
        png = read_file(folder.path / "p.png");
        jpg = read_file(folder.path / "q.jpg");
        setenv("XDG_CACHE_HOME", cache.path.c_str(), 1);
    }
    ~Shards() override { unsetenv("XDG_CACHE_HOME"); }
    PictureSet read(const std::string& tar) const {
        write_bytes(folder.path / "00000.tar", tar);
        Monitor silent;
        return read_picture_set({folder.path / "00000.tar"}, silent);
    }
    std::string refusal(const std::string& tar) const {
        return thrown_message<Error>([&] { read(tar); });
    }
    std::size_t unpacked() const {
        std::error_code error;
        const fs::directory_iterator at(cache.path / "keepsake" / "shards", error);
        return error ? 0 : static_cast<std::size_t>(std::distance(at, fs::directory_iterator()));
    }

    const TemporaryFolder folder, cache;
    std::string png, jpg;
};

TEST_F(Shards, PicturesAndTheirCaptions) {
    const std::string tar = entry("a/0001.png", png) + entry("a/0001.txt", "  a tall one \nmore") +
                            entry("a/0001.json", R"({"caption": "not this"})") +
                            entry("0002.json", R"({"caption":
"by json"})") + entry("0002.seg.png", jpg) +
                            entry("0002.JPG", jpg) + entry("0003.jpg", jpg) +
                            entry("0003.json", "[[[") + entry("0004.cls", "7") +
                            entry("folder/", "", '5') + entry("link.jpg", "", '2') + end_of_tar;
    const PictureSet set = read(tar);
    ASSERT_EQ(set.pictures.size(), 3u);
    EXPECT_EQ(set.pictures[0].name, "00000.tar/000001-0001.png");
    EXPECT_EQ(set.pictures[0].captions, std::vector<std::string>{"a tall one"});
    EXPECT_EQ(set.pictures[0].width, 40);
    EXPECT_TRUE(set.pictures[0].in_shard);
    EXPECT_EQ(set.pictures[1].captions, std::vector<std::string>{"by json"});
    EXPECT_EQ(set.pictures[1].width, 24);
    EXPECT_TRUE(set.pictures[2].captions.empty());
    // Unpacked once; a shard of the same name with other content is another one.
    EXPECT_EQ(unpacked(), 1u);
    read(tar);
    EXPECT_EQ(unpacked(), 1u);
    EXPECT_EQ(read(entry("x.png", png) + end_of_tar).pictures.size(), 1u);
    EXPECT_EQ(unpacked(), 2u);
    // A folder of shards is what its shards are.
    write_bytes(folder.path / "00001.tar", entry("y.jpg", jpg) + end_of_tar);
    fs::remove(folder.path / "p.png");
    fs::remove(folder.path / "q.jpg");
    Monitor silent;
    EXPECT_EQ(read_picture_set({folder.path}, silent).pictures.size(), 2u);
}

TEST_F(Shards, NamesLeadNowhere) {
    const std::string tar = entry("../../../../x.png", png) + entry("/etc/y.jpg", jpg) +
                            entry("z/.jpg", jpg) + end_of_tar;
    const PictureSet set = read(tar);
    ASSERT_EQ(set.pictures.size(), 2u);
    for (const SetPicture& picture : set.pictures)
        EXPECT_TRUE(picture.file.string().starts_with(cache.path.string())) << picture.file;
    EXPECT_FALSE(fs::exists(folder.path.parent_path() / "x.png"));
}

TEST_F(Shards, LongNames) {
    const std::string name = std::string(150, 'n') + ".png";
    const std::string record = " path=" + name + "\n";
    const std::string pax = std::to_string(record.size() + 3) + record;
    for (const std::string& before :
         {entry("././@LongLink", name + '\0', 'L'), entry("pax", pax, 'x')}) {
        const PictureSet set = read(before + entry("cut.txt", png) + end_of_tar);
        ASSERT_EQ(set.pictures.size(), 1u);
        EXPECT_EQ(set.pictures[0].name, "00000.tar/000001-" + std::string(60, 'n') + ".png");
    }
}

TEST_F(Shards, WhatIsNone) {
    EXPECT_NE(refusal("no tar at all").find("is no tar file"), std::string::npos);
    EXPECT_NE(refusal(std::string(2048, 'x')).find("is no tar file"), std::string::npos);
    EXPECT_NE(refusal(end_of_tar).find("is no tar file"), std::string::npos);
    const std::string whole = entry("a.png", png);
    EXPECT_NE(refusal(whole.substr(0, 540)).find("ends in the middle of a.png"), std::string::npos);
    EXPECT_NE(refusal(whole + whole.substr(0, 100)).find("ends in the middle of an entry's header"),
              std::string::npos);
    EXPECT_NE(refusal(entry("a.txt", "words") + end_of_tar).find("holds no pictures"),
              std::string::npos);
    EXPECT_NE(refusal(entry("a.txt", std::string(2 << 20, 'a')) + whole).find("more than 1 MiB"),
              std::string::npos);
    EXPECT_EQ(unpacked(), 0u) << "nothing half done stays";
    write_bytes(folder.path / "s.tar.gz", "x");
    Monitor silent;
    EXPECT_NE(thrown_message<Error>([&] {
                  read_picture_set({folder.path / "s.tar.gz"}, silent);
              }).find("is compressed"),
              std::string::npos);
}

TEST_F(Shards, ThoseThatTarWrites) {
    write_bytes(folder.path / "p.txt", "by tar");
    for (const char* kind : {"ustar", "gnu", "pax"}) {
        const std::string command = "tar -C '" + folder.path.string() + "' --format=" + kind +
                                    " -cf '" + (folder.path / "t.tar").string() +
                                    "' p.png p.txt q.jpg";
        ASSERT_EQ(std::system(command.c_str()), 0);
        Monitor silent;
        const PictureSet set = read_picture_set({folder.path / "t.tar"}, silent);
        ASSERT_EQ(set.pictures.size(), 2u) << kind;
        EXPECT_EQ(set.pictures[0].captions, std::vector<std::string>{"by tar"});
    }
}

}  // namespace
}  // namespace keepsake::editor
