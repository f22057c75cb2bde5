#include "editor/session/file_hashes.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "pipeline/files/atomic_file.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

using testing::TemporaryFolder;
using testing::write_bytes;

const std::string of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

class FileHashes : public ::testing::Test {
  protected:
    FileHashes() { setenv("XDG_CACHE_HOME", (folder.path / "cache").c_str(), 1); }
    ~FileHashes() override { unsetenv("XDG_CACHE_HOME"); }

    const TemporaryFolder folder;
    const std::filesystem::path file = folder.path / "f";
    const std::filesystem::path cache = folder.path / "cache/keepsake/hashes.json";
};

TEST_F(FileHashes, OfTheWholeAndOfWhatFollowsTheHeader) {
    write_bytes(file, "abc");  // FIPS 180-2, B.1
    EXPECT_EQ(file_hash(file), of_abc);
    // The header's length, eight bytes, and the header.
    write_bytes(file, std::string("\2\0\0\0\0\0\0\0", 8) + "{}abc");
    EXPECT_EQ(file_hash(file, Hashed::tensors), of_abc);
    EXPECT_NE(file_hash(file), of_abc);
    // One that is no such file, or too long a header, has none.
    write_bytes(file, "abc");
    EXPECT_EQ(file_hash(file, Hashed::tensors), "");
    write_bytes(file, std::string("\xFF\0\0\0\0\0\0\0", 8) + "{}abc");
    EXPECT_EQ(file_hash(file, Hashed::tensors), "");
    EXPECT_EQ(file_hash(folder.path), "");
    EXPECT_EQ(file_hash(folder.path / "nothing"), "");
}

TEST_F(FileHashes, AreKeptUntilTheFileChanges) {
    write_bytes(file, "abc");
    ASSERT_EQ(file_hash(file), of_abc);
    ASSERT_TRUE(std::filesystem::exists(cache));
    std::string kept = read_file(cache);
    kept.replace(kept.find(of_abc), 4, "0000");
    write_bytes(cache, kept);
    EXPECT_EQ(file_hash(file).substr(0, 4), "0000") << "it was read again";
    write_bytes(file, "abcd");
    EXPECT_EQ(file_hash(file).substr(0, 4), "88d4");
    // A damaged cache is none, and so is one that cannot be.
    write_bytes(cache, "{");
    write_bytes(file, "abc");
    EXPECT_EQ(file_hash(file), of_abc);
    std::filesystem::remove_all(folder.path / "cache");
    write_bytes(folder.path / "cache", "a file");
    EXPECT_EQ(file_hash(file), of_abc);
}

TEST_F(FileHashes, StopWhenTheyAreNotWanted) {
    write_bytes(file, "abc");
    EXPECT_EQ(file_hash(file, Hashed::whole, [] { return true; }), "");
    EXPECT_FALSE(std::filesystem::exists(cache));
}

}  // namespace
}  // namespace keepsake::editor
