#include "editor/session/picture_set.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "editor/session/picture_captions.h"
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

PictureSet read(const fs::path& place) {
    Monitor silent;
    return read_picture_set({place}, silent);
}

std::vector<std::string> names(const PictureSet& set) {
    std::vector<std::string> result;
    for (const SetPicture& picture : set.pictures) result.push_back(picture.name);
    return result;
}

bool has_remark(const PictureSet& set, const std::string& text) {
    return std::ranges::any_of(set.remarks, [&](const std::string& remark) {
        return remark.find(text) != std::string::npos;
    });
}

using Names = std::vector<std::string>;
using Captions = std::vector<std::string>;

TEST(PictureSet, FolderWithCaptionsBesideThem) {
    const TemporaryFolder folder;
    save_photo(folder.path / "b.png", quarters(40, 20), 6);  // turned by a quarter
    save_photo(folder.path / "a.jpg", quarters(32, 32));
    save_photo(folder.path / "c.webp", quarters(24, 24));
    write_bytes(folder.path / "a.txt", "\xef\xbb\xbf  a red square \r\nmore\n");
    write_bytes(folder.path / "b.caption", "turned");
    write_bytes(folder.path / "c.txt", "\n");
    write_bytes(folder.path / "z.txt", "of nothing");
    write_bytes(folder.path / "notes.md", "junk");
    write_bytes(folder.path / "._a.jpg", "left behind by a file system");
    const PictureSet set = read(folder.path);
    EXPECT_EQ(names(set), (Names{"a.jpg", "b.png", "c.webp"}));
    EXPECT_EQ(set.pictures[0].captions, Captions{"a red square"});
    EXPECT_EQ(set.pictures[1].captions, Captions{"turned"});
    EXPECT_EQ(set.pictures[1].width, 20);
    EXPECT_EQ(set.pictures[1].height, 40);
    EXPECT_TRUE(set.pictures[2].captions.empty());
    EXPECT_EQ(set.without_caption(), 1);
    EXPECT_EQ(set.remarks, (Names{"c.txt: is empty", "z.txt: is no picture's caption"}));
}

TEST(PictureSet, WhatIsBrokenIsToldAndLeftOut) {
    const TemporaryFolder folder;
    save_photo(folder.path / "a.jpg", quarters(32, 32));
    fs::copy_file(folder.path / "a.jpg", folder.path / "copy.jpg");
    write_bytes(folder.path / "empty.jpg", "");
    write_bytes(folder.path / "text.png", "no picture");
    save_photo(folder.path / "tiny.png", quarters(4, 4));
    fs::create_symlink(folder.path / "a.jpg", folder.path / "link.jpg");
    const PictureSet set = read(folder.path);
    EXPECT_EQ(names(set), (Names{"a.jpg", "copy.jpg"}));
    EXPECT_EQ(set.remarks.size(), 5u);
    EXPECT_TRUE(has_remark(set, "link.jpg: is a link; left out"));
    EXPECT_TRUE(has_remark(set, "empty.jpg: is an empty file"));
    EXPECT_TRUE(has_remark(set, "text.png: is not an image"));
    EXPECT_TRUE(has_remark(set, "tiny.png: is 4x4 pixels"));
    EXPECT_TRUE(has_remark(set, "copy.jpg: is the same picture as a.jpg"));
}

TEST(PictureSet, NoPictures) {
    const TemporaryFolder folder;
    const std::string path = folder.path.string();
    EXPECT_EQ(thrown_message<Error>([&] { read(folder.path / "x"); }), path + "/x: is not there");
    EXPECT_EQ(thrown_message<Error>([&] { read(folder.path); }),
              path + ": holds no pictures (JPEG, PNG, WebP or TIFF)");
    write_bytes(folder.path / "a.jpg", "broken");
    EXPECT_TRUE(thrown_message<Error>([&] {
                    read(folder.path);
                }).starts_with(path + ": none of its 1 pictures can be read: "));
    fs::remove(folder.path / "a.jpg");
    fs::create_directory(folder.path / "roses");
    EXPECT_EQ(thrown_message<Error>([&] { read(folder.path); }),
              path +
                  ": holds no pictures itself; name its sub-folders (roses), or call them "
                  "<repeats>_<class tokens>");
    if (::geteuid() == 0) return;  // for whom no folder is closed
    fs::permissions(folder.path, fs::perms::none);
    EXPECT_TRUE(thrown_message<Error>([&] { read(folder.path); }).starts_with(path + ": cannot"));
    fs::permissions(folder.path, fs::perms::owner_all);
}

TEST(PictureSet, KohyasFolders) {
    const TemporaryFolder folder;
    for (const char* name : {"10_sks dog", "3_", "other"}) {
        fs::create_directory(folder.path / name);
        save_photo(folder.path / name / "x.png", quarters(16 + static_cast<int>(name[0]), 32));
    }
    write_bytes(folder.path / "10_sks dog" / "x.txt", "sks dog on a beach");
    save_photo(folder.path / "10_sks dog" / "y.png", quarters(48, 32));
    const PictureSet set = read(folder.path);
    EXPECT_EQ(names(set), (Names{"10_sks dog/x.png", "10_sks dog/y.png", "3_/x.png"}));
    EXPECT_EQ(set.pictures[0].captions, Captions{"sks dog on a beach"});
    EXPECT_EQ(set.pictures[1].captions, Captions{"sks dog"});
    EXPECT_TRUE(set.pictures[2].captions.empty());
    EXPECT_EQ(set.with_repeats(), 23);
    EXPECT_TRUE(has_remark(set, "other: left out"));
}

TEST(PictureSet, NamesOfKohyasFolders) {
    const auto parsed = [](const std::string& name) -> std::string {
        const auto folder = parse_repeats_folder(name);
        return folder ? std::to_string(folder->repeats) + "|" + folder->class_tokens : "none";
    };
    EXPECT_EQ(parsed("10_sks dog"), "10|sks dog");
    EXPECT_EQ(parsed("5_a_b"), "5|a_b");
    EXPECT_EQ(parsed("x"), "none");
    EXPECT_EQ(parsed("3_"), "3|");
    EXPECT_EQ(parsed("3"), "3|");
    EXPECT_EQ(parsed("3x_dog"), "none");
    EXPECT_EQ(parsed("_dog"), "none");
    EXPECT_EQ(parsed("0_dog"), "none");
    EXPECT_EQ(parsed("-2_dog"), "none");
    EXPECT_EQ(parsed("99999999999999999999_dog"), "none");
}

TEST(PictureSet, ListOfJsonLines) {
    const TemporaryFolder folder;
    fs::create_directory(folder.path / "sub");
    save_photo(folder.path / "sub" / "a.png", quarters(32, 32));
    save_photo(folder.path / "b.png", quarters(48, 32));
    save_photo(folder.path / "unlisted.png", quarters(64, 32));
    write_bytes(folder.path / "metadata.jsonl",
                "{\"file_name\": \"sub/a.png\", \"text\": [\"one\", \"two\"]}\n\n"
                "{\"file_name\": \"b.png\", \"caption\": \"b\"}\n"
                "{\"file_name\": \"b.png\", \"text\": \"again\"}\n"
                "{\"file_name\": \"../b.png\", \"text\": \"outside\"}\n"
                "{\"file_name\": \"gone.png\", \"text\": \"gone\"}\n"
                "{\"text\": \"of nothing\"}\n"
                "no json\n");
    const PictureSet set = read(folder.path);
    EXPECT_EQ(names(set), (Names{"sub/a.png", "b.png"}));
    EXPECT_EQ(set.pictures[0].captions, (Captions{"one", "two"}));
    EXPECT_EQ(set.pictures[1].captions, Captions{"b"});
    EXPECT_TRUE(has_remark(set, "metadata.jsonl line 7: has no file_name and text"));
    EXPECT_TRUE(has_remark(set, "metadata.jsonl line 8"));
    EXPECT_TRUE(has_remark(set, "b.png: is in the list twice"));
    EXPECT_TRUE(has_remark(set, "../b.png: leads out of the list's folder"));
    EXPECT_TRUE(has_remark(set, "gone.png: is in the list and not there"));
    EXPECT_TRUE(has_remark(set, "1 pictures of its folder are not in it"));
    EXPECT_EQ(set.remarks.size(), 6u);
}

TEST(PictureSet, CommaSeparatedList) {
    const TemporaryFolder folder;
    save_photo(folder.path / "a.png", quarters(32, 32));
    save_photo(folder.path / "b, c.png", quarters(48, 32));
    const fs::path list = folder.path / "captions.csv";
    write_bytes(list,
                "id,image,text\r\n1,a.png,\"said \"\"so\"\", twice\"\r\n"
                "2,\"b, c.png\",\"two\nlines\"\r\n3\r\n");
    const PictureSet set = read(list);
    EXPECT_EQ(names(set), (Names{"a.png", "b, c.png"}));
    EXPECT_EQ(set.pictures[0].captions, Captions{"said \"so\", twice"});
    EXPECT_EQ(set.pictures[1].captions, Captions{"two\nlines"});
    EXPECT_EQ(set.remarks, Names{"captions.csv line 5: has too few columns; left out"});
    write_bytes(list, "1,2\n");
    EXPECT_TRUE(thrown_message<Error>([&] {
                    read(list);
                }).starts_with(list.string() + ": its first row names no column file_name"));
}

TEST(PictureSet, LinksOutOfAListAreNotFollowed) {
    const TemporaryFolder folder, elsewhere;
    save_photo(folder.path / "a.png", quarters(32, 32));
    save_photo(elsewhere.path / "b.png", quarters(32, 48));
    fs::create_directory_symlink(elsewhere.path, folder.path / "out");
    write_bytes(folder.path / "metadata.csv", "file_name,text\na.png,a\nout/b.png,b\n");
    const PictureSet set = read(folder.path);
    EXPECT_EQ(names(set), Names{"a.png"});
    EXPECT_TRUE(has_remark(set, "is a link"));
    // The place itself is the user's own word.
    fs::create_directory_symlink(folder.path, elsewhere.path / "way");
    EXPECT_EQ(names(read(elsewhere.path / "way")), Names{"a.png"});
}

}  // namespace
}  // namespace keepsake::editor
