#include "pipeline/files/own_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pipeline/error.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;
using testing::thrown_message;

constexpr const char* link_text =
    ": is a link, and links in this folder are not followed; remove it, or put there what it leads "
    "to";

TEST(OwnFolder, NothingBelowItIsReachedThroughALink) {
    const TemporaryFolder elsewhere, home;
    const fs::path folder = home.path / "link";  // a path that the user typed may be one
    fs::create_directory(home.path / "real");
    fs::create_symlink("real", folder);
    EXPECT_EQ(own_file(folder, "new"), folder / "new");
    EXPECT_EQ(own_folder(folder, "a/b"), folder / "a/b");
    EXPECT_TRUE(fs::is_directory(folder / "a/b"));
    EXPECT_EQ(own_folder(folder, "a/b"), folder / "a/b");

    fs::create_symlink(elsewhere.path / "not there", folder / "file");
    EXPECT_EQ(thrown_message<Error>([&] { own_file(folder, "file"); }),
              (folder / "file").string() + link_text);
    fs::create_symlink(elsewhere.path, folder / "a/c");
    EXPECT_EQ(thrown_message<Error>([&] { own_file(folder, "a/c/file"); }),
              (folder / "a/c").string() + link_text);
    EXPECT_EQ(thrown_message<Error>([&] { own_folder(folder, "a/c/d"); }),
              (folder / "a/c").string() + link_text);
    EXPECT_EQ(elsewhere.file_count(), 0u);
}

TEST(OwnFolder, OnlyRegularFilesAreReplaced) {
    const TemporaryFolder folder;
    ASSERT_EQ(::mkfifo((folder.path / "pipe").c_str(), 0600), 0);
    EXPECT_EQ(thrown_message<Error>([&] { own_file(folder.path, "pipe"); }),
              (folder.path / "pipe").string() + ": is a pipe, not a file");
    EXPECT_EQ(thrown_message<Error>([&] { own_folder(folder.path, "pipe"); }),
              (folder.path / "pipe").string() + ": is not a folder");
    EXPECT_EQ(thrown_message<Error>([&] { own_file("/dev", "null"); }),
              "/dev/null: is a device, not a file");
}

}  // namespace
}  // namespace keepsake
